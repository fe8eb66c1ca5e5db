"""Who trains, validates and tests: the split of Koch et al. (section 4.1), and Lake's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from data.dataset import Dataset
from data.drawings import Drawings
from data.sources.request import SplitBy

EVERY = 4
"""By Lake's split every fourth background alphabet validates."""


@dataclass(frozen=True, eq=False)
class Split:
    """Three sets of drawings that share no alphabet."""

    train: Drawings
    validation: Drawings
    test: Drawings


def split(
    dataset: Dataset,
    drawers: Literal["paper", "all"] = "paper",
    by: SplitBy = "koch",
    *,
    way: int = 20,
) -> Split:
    """Return the data set's fixed split, the same at every call.

    Args:
        dataset: what to split.
        drawers: ``paper`` keeps 12 drawers to train and 4 others to validate, as the paper does;
            ``all`` keeps everyone's drawings. The test alphabets keep all their drawers either
            way, since the official runs draw on the first eight.
        by: whose alphabets validate; by Lake's split those that `held_out` names, and they do not
            train.
        way: characters of a validation trial; by Lake's split an alphabet with fewer only trains.
    """

    def part(names: Sequence[str], role: Literal["train", "validation"]) -> Drawings:
        drawings = dataset.drawings.of_alphabets(names)
        return drawings if drawers == "all" else drawings.of_drawers(dataset.drawers[role])

    train, validation = dataset.alphabets["train"], dataset.alphabets["validation"]
    if by == "lake":
        validation = held_out(dataset, way)
        train = tuple(name for name in train if name not in validation)
    test = dataset.drawings.of_alphabets(dataset.alphabets["test"])
    return Split(part(train, "train"), part(validation, "validation"), test)


def held_out(dataset: Dataset, way: int = 20) -> tuple[str, ...]:
    """Return the background alphabets that validate by Lake's split.

    Every fourth of those with at least ``way`` characters, by name; the last if there are fewer
    than four. The rule looks at names and counts alone.
    """
    drawings, names = dataset.drawings, sorted(dataset.alphabets["train"])
    sizes = {
        name: len(drawings.character[drawings.alphabet == i].unique())
        for i, name in enumerate(drawings.alphabet_names)
    }
    large = [name for name in names if sizes[name] >= way] or names
    return tuple(large[EVERY - 1 :: EVERY] or large[-1:])
