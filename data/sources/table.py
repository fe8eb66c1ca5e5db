"""Where drawings come from: the one table of sources, and the one way to load any of them."""

import logging
from collections.abc import Callable
from pathlib import Path

from data.dataset import Dataset
from data.errors import DataError, DataUnavailable
from data.files.folders import data_root
from data.sources.folder.source import load_folder
from data.sources.glyphs.source import load_glyphs
from data.sources.omniglot.source import found_in, load_omniglot
from data.sources.request import BACKGROUNDS, DRAWER_NAMES, Background, DrawerNames, Request

log = logging.getLogger("data")

FULL_SIZE = 105  # pixels; every source's own size, after Omniglot

# One row per source. A source raises DataUnavailable where it is not to be had.
SOURCES: dict[str, Callable[[Request], Dataset]] = {
    "omniglot": load_omniglot,
    "glyphs": load_glyphs,
}


def load(
    dataset: str = "auto",
    root: Path | None = None,
    background: Background = "full",
    download: bool = True,
    size: int | None = None,
    drawer_names: DrawerNames = "auto",
    progress: Callable[[int, int], None] | None = None,
    only_background: bool = False,
) -> Dataset:
    """Return a data set with its fixed split.

    Args:
        dataset: ``"omniglot"``; ``"glyphs"``, drawn from embedded fonts; ``"auto"``, Omniglot
            where it is found or can be had, else glyphs with a warning; or a folder
            ``<alphabet>/<character>/<image>``.
        root: where Omniglot is looked for; see ``data.files.folders.data_root``.
        background: Omniglot's background set: ``"full"``, ``"small1"`` or ``"small2"``.
        download: whether Omniglot may be fetched.
        size: pixels to reduce the 105 x 105 drawings to, by area; no full-size copy of
            everything is made. The digest is that of the full-size content all the same.
        drawer_names: what tells the drawers in a folder: ``"names"``, the numbers at the ends of
            its files' names; ``"rank"``, the order of those; ``"auto"``, names where they are
            regular.
        progress: called with how many of how many pictures of a folder are read.
        only_background: leave Omniglot's evaluation set and official runs unread: no alphabet
            validates or tests, and the digest is the background's.

    Raises:
        DataError: unknown, unusable, altered or missing data; the message says what to do.
    """
    if background not in BACKGROUNDS:
        raise DataError(
            f"background {background!r} is unknown; allowed are {', '.join(BACKGROUNDS)}"
        )
    if drawer_names not in DRAWER_NAMES:
        raise DataError(
            f"drawer_names {drawer_names!r} is unknown; allowed are {', '.join(DRAWER_NAMES)}"
        )
    if size is not None and not 1 <= size <= FULL_SIZE:
        raise DataError(f"size {size} is not possible; drawings have 1 to {FULL_SIZE} pixels")
    check(dataset)
    request = Request(
        dataset=dataset,
        root=data_root(root),
        background=background,
        download=download,
        size=size,
        drawer_names=drawer_names,
        progress=progress,
        only_background=only_background,
    )
    if dataset == "auto":
        return _first_available(request)
    if source := SOURCES.get(dataset):
        return source(request)
    return load_folder(request)


def described(dataset: str, root: Path | None = None, background: Background = "full") -> str:
    """Return the data set of these arguments of `load`, and where it comes from; nothing is read.

    Raises:
        DataError: ``root`` is no folder.
    """
    if dataset == "glyphs":
        return "glyphs, drawn from embedded fonts"
    if is_folder(dataset):
        return f"images in {Path(dataset).absolute()}"
    if dataset not in ("auto", "omniglot"):
        return dataset
    folder = found_in(Request(dataset=dataset, root=data_root(root), background=background))
    if folder is not None:
        return f"omniglot, from {folder}"
    otherwise = ", or glyphs if it is not to be had" if dataset == "auto" else ""
    return f"omniglot, to be downloaded{otherwise}"


def check(dataset: str) -> None:
    """Refuse what names neither a source nor a folder that exists; nothing is read.

    Raises:
        DataError: it does; says what is allowed.
    """
    if is_folder(dataset) and not Path(dataset).is_dir():
        raise DataError(
            f"data set {dataset!r} is unknown; allowed are auto, {', '.join(SOURCES)}, "
            "or a folder <alphabet>/<character>/<image> that exists"
        )


def is_folder(dataset: str) -> bool:
    """Return whether ``load`` takes this name for a folder of the user's own."""
    return dataset != "auto" and dataset not in SOURCES


def _first_available(request: Request) -> Dataset:
    try:
        return load_omniglot(request)
    except DataUnavailable as error:
        log.warning(
            "OMNIGLOT IS NOT HERE: going on with glyphs, characters of embedded fonts as drawn by "
            "simulated drawers. Results are not comparable with the paper's. For the real data put "
            "images_background.zip, images_evaluation.zip and all_runs.zip under a folder named by "
            "--data-root or OMNIGLOT_ROOT. (%s)",
            error,
        )
        return load_glyphs(request)
