"""One-shot trials: which drawing is asked, which are offered, which of them is right."""

from dataclasses import dataclass

import torch
from torch import Tensor

from data.drawings import Drawings


@dataclass(frozen=True, eq=False)
class OneShotTrials:
    """T one-shot trials, N-way, over one set of drawings.

    Attributes:
        drawings: what the indices below point into.
        query: int64 ``[T]``, the drawing to be classified.
        support: int64 ``[T, N]``, one drawing of each of N characters.
        answer: int64 ``[T]``, the place in ``support`` of the query's character.
    """

    drawings: Drawings
    query: Tensor
    support: Tensor
    answer: Tensor

    def __len__(self) -> int:
        return self.query.shape[0]

    @property
    def way(self) -> int:
        """How many characters are offered in each trial."""
        return self.support.shape[1]

    def to(self, device: torch.device | str) -> "OneShotTrials":
        """Return the trials on ``device``."""
        return OneShotTrials(
            self.drawings.to(device),
            self.query.to(device),
            self.support.to(device),
            self.answer.to(device),
        )
