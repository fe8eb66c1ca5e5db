"""What a caller asks of a data source, the same for all of them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from data.errors import DataError
from data.files.cache import cache_dir

DrawerNames = Literal["auto", "names", "rank"]
DRAWER_NAMES: tuple[DrawerNames, ...] = get_args(DrawerNames)

Background = Literal["full", "small1", "small2"]
BACKGROUNDS: tuple[Background, ...] = get_args(Background)


@dataclass(frozen=True, kw_only=True)
class Request:
    """How to load a data set.

    Attributes:
        dataset: what was asked for: a source's name, or a folder.
        root: where data sets lie; see ``data_root``.
        background: which of Omniglot's background sets trains.
        download: whether what is missing may be fetched.
        size: height and width to reduce the drawings to; None keeps the source's own.
        drawer_names: what tells the drawers in a folder of the user's own; see
            ``data.sources.folder.shares.drawers_of``.
        progress: told how many of how many pictures of such a folder are read.
    """

    dataset: str
    root: Path
    background: Background = "full"
    download: bool = True
    size: int | None = None
    drawer_names: DrawerNames = "auto"
    progress: Callable[[int, int], None] | None = None


def data_root(root: Path | None = None) -> Path:
    """Return where data sets are looked for.

    The first of: the argument, the environment's ``OMNIGLOT_ROOT``, ``./datasets`` if there is
    such a folder, the user's cache.

    Raises:
        DataError: the argument is no folder; a slip of the pen must not become other data.
    """
    if root is not None:
        if not root.is_dir():
            raise DataError(f"{root}, where data sets should lie, is no folder that exists")
        return root
    if named := os.environ.get("OMNIGLOT_ROOT"):
        return Path(named)
    here = Path("datasets")
    return here if here.is_dir() else cache_dir()
