"""The images of a classification: an example or a few of each class."""

from pathlib import Path

from data.errors import DataError
from data.files.images import SUFFIXES


def find_support(folder: Path) -> dict[str, list[Path]]:
    """Return each class's images: ``<class>.png``, or several in a folder ``<class>/``.

    Raises:
        DataError: the folder cannot be read, holds no class or one twice, or a class no image.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder} is no folder; --support names one with an image or a folder for each class"
        )
    support: dict[str, list[Path]] = {}
    try:
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                name, images = entry.name, sorted(filter(_is_image, entry.iterdir()))
                if not images:
                    raise DataError(f"{entry}: no image for this class; {_ALLOWED}")
            elif _is_image(entry):
                name, images = entry.stem, [entry]
            else:
                continue
            if name in support:
                raise DataError(f"{folder}: class {name} is there twice; rename or remove one")
            support[name] = images
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from None
    if not support:
        raise DataError(f"{folder}: no image in it; {_ALLOWED}")
    return support


_ALLOWED = f"allowed are {', '.join(SUFFIXES)}"


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
