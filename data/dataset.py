"""What every data source gives, whatever it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.batches.one_shot import OneShotTrials
from data.drawings import Drawings

Role = Literal["train", "validation", "test"]
ROLES: tuple[Role, ...] = ("train", "validation", "test")
DrawerShares = Mapping[Literal["train", "validation"], tuple[int, ...]]
PAPER_DRAWERS: DrawerShares = {"train": tuple(range(1, 13)), "validation": tuple(range(13, 17))}
"""Of the 20 in Omniglot (Koch et al., section 4.1)."""


@dataclass(frozen=True)
class OwnFolder:
    """Where a data set of the user's own was read, and what there is to say about it.

    Attributes:
        path: the folder as it was given, made absolute.
        remarks: sentences on what was read how, and on what was left out and why.
        files: the file of each drawing, in their order.
    """

    path: Path
    remarks: tuple[str, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A loaded data set with its fixed split.

    Attributes:
        name: ``"omniglot"``, ``"omniglot-small1"``, ``"glyphs"`` or the folder's name.
        drawings: everything, uint8 ink at the source's own size.
        alphabets: which alphabets belong to which role; no alphabet has two.
        drawers: which drawers train and validate where the paper's split by drawers is asked for;
            all test.
        digest: SHA-256 of the full-size content (names, ids, pixels), whatever size was loaded;
            a study remembers it and refuses other data.
        official_runs: Lake's 20 runs, 400 trials, 20-way, over ``drawings``; only Omniglot has
            them.
        own: what there is to know of a folder of the user's own; None for the other sources.
    """

    name: str
    drawings: Drawings
    alphabets: Mapping[Role, tuple[str, ...]]
    drawers: DrawerShares
    digest: str
    official_runs: OneShotTrials | None = None
    own: OwnFolder | None = None
