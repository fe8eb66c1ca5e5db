"""The images of a classification: an example or a few of each class, and what is asked."""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from data.errors import DataError
from data.images.formats import NO_IMAGE, formats
from data.images.listing import describe, list_folder, merge, name_of, shown, stem_of, walk

log = logging.getLogger("data")


def find_support(folder: Path) -> dict[str, list[Path]]:
    """Return each class's images: ``<class>.png``, or several in a folder ``<class>/``.

    Names are in Unicode's normal form C and can be printed. What is left out is said in the
    log; see `data.images.listing` for what that is.

    Raises:
        DataError: the folder cannot be read, holds no class or one twice, or a class no image.
    """
    if not os.path.isdir(folder):
        raise DataError(
            f"{shown(folder)} is no folder; --support names one with an image or a folder for "
            "each class"
        )
    top = list_folder(folder)
    listings = {path: list_folder(path) for path in top.folders}
    left_out = merge([top.left_out, *(listing.left_out for listing in listings.values())])
    found = [(stem_of(path), path, [path]) for path in top.images]
    found += [(name_of(path), path, list(inside.images)) for path, inside in listings.items()]
    support: dict[str, list[Path]] = {}
    for name, path, images in found:
        if not images:
            inside = listings[path]
            raise DataError(
                f"{shown(path)}: no image for this class; "
                + _held(len(inside.folders), inside.left_out)
            )
        if name in support:
            raise DataError(f"{shown(folder)}: class {name} is there twice; rename or remove one")
        support[name] = images
    if not support:
        raise DataError(f"{shown(folder)}: no image in it; {_held(0, left_out)}")
    _tell(folder, left_out)
    return dict(sorted(support.items()))


def find_queries(paths: Iterable[Path]) -> list[Path]:
    """Return the images to classify: files as they are, and all that the folders hold.

    A file that is named is not looked at here, whether it exists or not.

    Raises:
        DataError: a folder cannot be read, or holds no image, nor do its folders.
    """
    queries: list[Path] = []
    for path in paths:
        if not os.path.isdir(path):
            queries.append(path)
            continue
        listing = walk(path)
        if not listing.images:
            raise DataError(f"{shown(path)}: no image in it; {_held(0, listing.left_out)}")
        _tell(path, listing.left_out)
        queries += listing.images
    return queries


def _held(folders: int, left_out: Mapping[str, tuple[Path, ...]]) -> str:
    within = f"{folders} folders within are" if folders > 1 else "1 folder within is"
    lines = [f"{within} not searched"] if folders else []
    return "; ".join([*lines, *describe(left_out), f"allowed are {', '.join(formats())}"])


def _tell(folder: Path, left_out: Mapping[str, tuple[Path, ...]]) -> None:
    for line in describe({why: paths for why, paths in left_out.items() if why != NO_IMAGE}):
        log.warning("%s: %s", shown(folder), line)
