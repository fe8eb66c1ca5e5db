"""What a caller asks of a data source, the same for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

DrawerNames = Literal["auto", "names", "rank"]
DRAWER_NAMES: tuple[DrawerNames, ...] = get_args(DrawerNames)

Background = Literal["full", "small1", "small2"]
BACKGROUNDS: tuple[Background, ...] = get_args(Background)

SplitBy = Literal["koch", "lake"]
"""``koch``: the validation alphabets of the data set validate; in Omniglot they are ten of the
evaluation set, as in the paper. ``lake``: some of the background alphabets do, since the data set's
own page asks that all learning and tuning be done on the background set."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """How to load a data set.

    Attributes:
        dataset: what was asked for: a source's name, or a folder.
        root: where data sets lie; see ``data_root``.
        background: which of Omniglot's background sets trains.
        only_background: leave Omniglot's evaluation set and runs unread, so that nothing can be
            learnt from them: no alphabet validates or tests, and the digest is the background's.
            Other sources lie in one piece and are read whole.
        download: whether what is missing may be fetched.
        size: pixels to reduce the 105 x 105 drawings to, by area; None keeps them. No full-size
            copy of everything is made; the digest is that of the full-size content all the same.
        drawer_names: what tells the drawers in a folder of the user's own: ``names``, the numbers
            at the ends of its files' names; ``rank``, the order of those; ``auto``, names where
            they are regular.
        progress: told how many of how many pictures of such a folder are read.
    """

    dataset: str
    root: Path
    background: Background = "full"
    only_background: bool = False
    download: bool = True
    size: int | None = None
    drawer_names: DrawerNames = "auto"
    progress: Callable[[int, int], None] | None = None
