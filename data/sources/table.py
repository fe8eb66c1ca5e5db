"""Where drawings come from: the one table of sources, and the one way to load any of them."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.dataset import Dataset
from data.errors import DataError, DataUnavailable
from data.files.folders import data_root
from data.sources.folder.source import load_folder
from data.sources.glyphs.source import load_glyphs
from data.sources.omniglot.source import found_in, load_omniglot
from data.sources.request import BACKGROUNDS, DRAWER_NAMES, Background, Request

log = logging.getLogger("data")

FULL_SIZE = 105  # pixels; every source's own size, after Omniglot

# One row per source. A source raises DataUnavailable where it is not to be had.
SOURCES: dict[str, Callable[[Request], Dataset]] = {
    "omniglot": load_omniglot,
    "glyphs": load_glyphs,
}


def load(dataset: str = "auto", root: Path | None = None, **options: Any) -> Dataset:
    """Return a data set with its fixed split.

    Args:
        dataset: ``"omniglot"``; ``"glyphs"``, drawn from embedded fonts; ``"auto"``, Omniglot
            where it is found or can be had, else glyphs with a warning; or a folder
            ``<alphabet>/<character>/<image>``.
        root: where Omniglot is looked for; see ``data.files.folders.data_root``.
        options: the other fields of `Request`.

    Raises:
        DataError: unknown, unusable, altered or missing data; the message says what to do.
    """
    request = Request(dataset=dataset, root=data_root(root), **options)
    for name, allowed in (("background", BACKGROUNDS), ("drawer_names", DRAWER_NAMES)):
        if (value := getattr(request, name)) not in allowed:
            raise DataError(f"{name} {value!r} is unknown; allowed are {', '.join(allowed)}")
    if request.size is not None and not 1 <= request.size <= FULL_SIZE:
        raise DataError(
            f"size {request.size} is not possible; drawings have 1 to {FULL_SIZE} pixels"
        )
    check(dataset)
    if dataset == "auto":
        return _first_available(request)
    return SOURCES.get(dataset, load_folder)(request)


def described(dataset: str, root: Path | None = None, background: Background = "full") -> str:
    """Return the data set of these arguments of `load`, and where it comes from; nothing is read.

    Raises:
        DataError: ``root`` is no folder.
    """
    if dataset == "glyphs":
        return "glyphs, drawn from embedded fonts"
    if is_folder(dataset):
        return f"images in {Path(dataset).absolute()}"
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
