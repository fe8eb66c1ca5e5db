"""The one image decoder: a file that a stranger may have made in, grey values out."""

import io
import re
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from data.errors import DataError
from data.files.regular import refuse_special
from data.images.formats import format_of, formats, missing
from data.images.levels import grey_of
from data.images.listing import shown

MAX_PIXELS = 60_000_000  # a telephone's camera gives up to 50 million
MAX_BYTES = 100_000_000


def decode_grey(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Return an image file's grey values, uint8 ``[H, W]``, 255 = white, upright.

    Of several frames the first is read. How values, colours and alpha become grey: see
    `data.images.levels.grey_of`.

    Raises:
        DataError: ``data`` is no whole image of the formats read, or is too large.
    """
    name = shown(name)
    found = format_of(data[:32])
    if cure := missing(found):
        raise DataError(f"{name}: cannot be read as an image; it is {cure}")
    try:
        # Opening reads the header only; what is too large is refused before it is decoded.
        with (
            warnings.catch_warnings(action="ignore"),  # of damaged notes, naming no file
            Image.open(io.BytesIO(data), formats=_decoders(found)) as image,
        ):
            width, height = image.size
            if not 0 < width * height <= max_pixels:
                raise DataError(
                    f"{name}: {width} x {height} pixels; at most {max_pixels:,} in all are read"
                )
            image.load()
            return _upright(grey_of(image), _orientation(image))
    except DataError:
        raise
    # Pillow's decoders raise nearly every built-in type on hostile input.
    except Exception as error:
        raise DataError(
            f"{name}: cannot be read as an image ({_told(error)}); "
            f"allowed are {', '.join(formats())}, whole and undamaged"
        ) from error


def read_bytes(file: Path | bytes | BinaryIO, name: str) -> bytes:
    """Return the file's bytes.

    Raises:
        DataError: it cannot be read, is no regular file, or is too large.
    """
    name = shown(name)
    try:
        if isinstance(file, Path):
            refuse_special(file)
            with file.open("rb") as opened:
                data = opened.read(MAX_BYTES + 1)
        else:
            data = file if isinstance(file, bytes) else file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{name}: cannot be read: {why}") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{name}: larger than {MAX_BYTES // 1_000_000} MB; save it smaller")
    return data


def _decoders(found: str | None) -> tuple[str, ...]:
    if found != "HEIF":
        return tuple(name for name in formats() if name != "HEIF")
    from pillow_heif import register_heif_opener

    register_heif_opener()
    return ("HEIF",)


def _orientation(image: Image.Image) -> int:
    """Return the camera's EXIF orientation, 1 to 8; TIFF and HEIF are upright once loaded."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a damaged note does not damage the picture
        return 1
    return value if isinstance(value, int) else 1


def _upright(grey: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in (5, 6, 7, 8):
        grey = grey.T
    if orientation in (2, 3, 6, 7):
        grey = grey[:, ::-1]
    if orientation in (3, 4, 7, 8):
        grey = grey[::-1]
    return np.ascontiguousarray(grey)


def _told(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no format that is known"
    return re.sub(r"<_io\.\w+ [^>]*>", "the file", str(error)) or type(error).__name__
