"""The one image decoder: a file that a stranger may have made in, grey values out."""

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from data.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MAX_PIXELS = 60_000_000  # a telephone's camera gives up to 50 million
MAX_BYTES = 100_000_000


def decode_grey(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Return an image file's grey values, uint8 ``[H, W]``, 255 = white; transparency is white.

    Raises:
        DataError: ``data`` is no whole image of the allowed formats, or is too large.
    """
    try:
        # Opening reads the header only; what is too large is refused before it is decoded.
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if not 0 < width * height <= max_pixels:
                raise DataError(
                    f"{name}: {width} x {height} pixels; at most {max_pixels:,} in all are read"
                )
            if image.mode == "1":
                return np.asarray(image.convert("L"))
            if image.mode.startswith("I") or image.mode == "F":
                return _to_eight_bits(np.asarray(image))
            upright = ImageOps.exif_transpose(image)
            if "A" in upright.getbands() or "transparency" in upright.info:
                with_alpha = upright.convert("RGBA")
                white = Image.new("RGBA", with_alpha.size, "white")
                upright = Image.alpha_composite(white, with_alpha)
            return np.asarray(upright.convert("L"))
    except DataError:
        raise
    # Pillow's decoders raise nearly every built-in type on hostile input.
    except Exception as error:
        raise DataError(
            f"{name}: cannot be read as an image ({error or type(error).__name__}); "
            f"allowed are {', '.join(FORMATS)}, whole and undamaged"
        ) from error


def read_bytes(file: Path | bytes | BinaryIO, name: str) -> bytes:
    """Return the file's bytes.

    Raises:
        DataError: it cannot be read, or is too large.
    """
    try:
        if isinstance(file, Path):
            with file.open("rb") as opened:
                data = opened.read(MAX_BYTES + 1)
        else:
            data = file if isinstance(file, bytes) else file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{name}: larger than {MAX_BYTES // 1_000_000} MB; save it smaller")
    return data


def _to_eight_bits(values: np.ndarray) -> np.ndarray:
    """16-bit and float images carry no range of their own: the whole type's or the data's."""
    values = np.nan_to_num(values.astype(np.float64))
    top = 65535.0 if values.max(initial=0) > 255 else 255.0
    return np.clip(values / top * 255, 0, 255).round().astype(np.uint8)
