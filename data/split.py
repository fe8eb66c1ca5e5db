"""The paper's split (section 4.1): who trains, validates and tests."""

from dataclasses import dataclass
from typing import Literal

from data.dataset import Dataset, Role
from data.drawings import Drawings


@dataclass(frozen=True, eq=False)
class Split:
    """Three sets of drawings that share no alphabet."""

    train: Drawings
    validation: Drawings
    test: Drawings


def split(dataset: Dataset, drawers: Literal["paper", "all"] = "paper") -> Split:
    """Return the data set's fixed split, the same at every call.

    Args:
        dataset: what to split.
        drawers: ``paper`` keeps 12 drawers to train and 4 others to validate, as the paper does;
            ``all`` keeps everyone's drawings. The test alphabets keep all their drawers either
            way, since the official runs draw on the first eight.
    """

    def part(role: Role) -> Drawings:
        drawings = dataset.drawings.of_alphabets(dataset.alphabets[role])
        if drawers == "all" or role == "test":
            return drawings
        return drawings.of_drawers(dataset.drawers[role])

    return Split(part("train"), part("validation"), part("test"))
