"""One-shot trials: which drawing is asked, which are offered, which of them is right."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from data.drawings import Drawings
from data.errors import DataError


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

    @property
    def rows(self) -> Tensor:
        """Each trial's drawings, int64 ``[T, 1 + N]``: the query, then the support."""
        return torch.cat([self.query[:, None], self.support], 1)

    def to(self, device: torch.device | str) -> "OneShotTrials":
        """Return the trials on ``device``."""
        return OneShotTrials(
            self.drawings.to(device),
            self.query.to(device),
            self.support.to(device),
            self.answer.to(device),
        )


Variant = Literal["two_drawers", "all_drawers"]


def generate(
    drawings: Drawings, *, way: int, trials: int, variant: Variant, seed: int
) -> OneShotTrials:
    """Return ``trials`` random ``way``-way trials, each within one alphabet.

    Every alphabet that can gives the same number of trials (the first ones one more, if need be).
    The query is never drawn by the drawer of a support, the characters of a support are distinct,
    and the right answer stands at a uniformly random place.

    Args:
        drawings: the pool.
        way: characters offered in each trial.
        trials: how many.
        variant: ``two_drawers``: the query by one drawer, all the support by another, as in the
            paper (section 4.2) and the official runs. ``all_drawers``: each drawing of the support
            by anyone but the query's drawer.
        seed: the trials depend on it and on the pool alone.

    Raises:
        DataError: no alphabet has ``way`` characters that suffice.
    """
    generator = torch.Generator().manual_seed(seed)
    pool = drawings.to("cpu")
    usable = []
    best, name, all_of_it = 0, "none", 0
    for alphabet in pool.alphabet.unique():
        table = _table(pool, (pool.alphabet == alphabet).nonzero().squeeze(1))
        drawn = (table >= 0).to(torch.float32)
        if variant == "two_drawers":
            shared = (drawn.T @ drawn).fill_diagonal_(0)
            able, suited = int(shared.max()), (shared >= way).nonzero()
        else:  # pairs of drawers would be too many where each image has its own
            suited = drawn.sum(1) >= 2
            able = int(suited.sum())
        if able >= best:
            best, name, all_of_it = able, pool.alphabet_names[int(alphabet)], len(table)
        if able >= way:
            usable.append((table, suited))
    if not usable:
        whose = "by the same two drawers" if variant == "two_drawers" else "by two drawers or more"
        raise DataError(
            f"no alphabet has {way} characters for {way}-way trials ({variant}): of {name}'s "
            f"{all_of_it}, the most, {best} are drawn {whose}; ask for a smaller way "
            "(validation.way of a study), or add characters"
        )
    parts = []
    for i, (table, suited) in enumerate(usable):
        number = trials // len(usable) + (i < trials % len(usable))
        if variant == "two_drawers":
            parts.append(_two_drawer_trials(table, suited, way, number, generator))
        else:
            parts.append(_all_drawer_trials(table[suited], way, number, generator))
    query, support, answer = (torch.cat(column) for column in zip(*parts, strict=True))
    return OneShotTrials(pool, query, support, answer).to(drawings.device)


def _table(pool: Drawings, index: Tensor) -> Tensor:
    """Return int64 ``[characters, drawers]``: which drawing is whose, -1 where there is none."""
    _, row = pool.character[index].unique(return_inverse=True)
    _, column = pool.drawer[index].unique(return_inverse=True)
    table = torch.full((int(row.max()) + 1, int(column.max()) + 1), -1)
    table[row, column] = index
    return table


def _two_drawer_trials(
    table: Tensor, drawer_pairs: Tensor, way: int, number: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    chosen = drawer_pairs[torch.randint(len(drawer_pairs), (number,), generator=generator)]
    asked, offered = table.T[chosen[:, 0]], table.T[chosen[:, 1]]
    key = torch.rand(asked.shape, generator=generator) + ((asked < 0) | (offered < 0))
    characters = key.topk(way, largest=False).indices
    answer = torch.randint(way, (number,), generator=generator)
    query = asked.gather(1, characters.gather(1, answer[:, None])).squeeze(1)
    return query, offered.gather(1, characters), answer


def _all_drawer_trials(
    table: Tensor, way: int, number: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    characters = torch.rand(number, len(table), generator=generator).topk(way).indices
    answer = torch.randint(way, (number,), generator=generator)
    asked = table[characters.gather(1, answer[:, None]).squeeze(1)]
    drawer = (torch.rand(asked.shape, generator=generator) - 2.0 * (asked < 0)).argmax(1)
    query = asked.gather(1, drawer[:, None]).squeeze(1)
    offered = table[characters]
    key = torch.rand(offered.shape, generator=generator) - 2.0 * (offered < 0)
    key.scatter_(2, drawer[:, None, None].expand(-1, way, 1), -1.5)
    support = offered.gather(2, key.argmax(2, keepdim=True)).squeeze(2)
    return query, support, answer
