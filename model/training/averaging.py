"""Weights averaged over the latest part of training (Karras et al. 2024, arXiv 2312.02696)."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from model.net.siamese import SiameseNet


def exponent(width: float) -> float:
    """Return the power of time that weighs what is averaged, from the profile's relative ``width``.

    The width is the standard deviation of the profile, as a share of the training so far: 0.1 of it
    is an average over about the last fifth.
    """
    below = max(width, 1e-9) ** -2  # narrower is not even a step
    return float(np.roots([1, 7, 16 - below, 12 - below]).real.max())


class AveragedNet:
    """A net whose weights are the average of another's in training.

    A power of time weighs them, so that the average spans the same share of the training so far
    wherever that is looked at, and no end has to be known. What batch normalisation has counted is
    averaged as well.

    Attributes:
        net: it, set to evaluation.
    """

    def __init__(self, source: SiameseNet, width: float):
        self.net = copy.deepcopy(source).eval()
        self._exponent = exponent(width)
        device = next(source.parameters()).device
        # Where a recorded step reads it.
        self._share = torch.ones((), device=device)
        self._sources, self._averages = ([*_floats(each)] for each in (source, self.net))

    def set(self, step: int) -> None:
        """Set the weight of what the ``step``-th step, counted from 1, will have come to."""
        self._share.fill_(1 - (1 - 1 / step) ** (self._exponent + 1))

    @torch.no_grad()
    def update(self) -> None:
        """Take the source's weights as they are into the average."""
        change = torch._foreach_sub(self._sources, self._averages)
        torch._foreach_mul_(change, self._share)
        torch._foreach_add_(self._averages, change)


def _floats(net: SiameseNet) -> Iterator[Tensor]:
    return (value for value in net.state_dict().values() if value.is_floating_point())
