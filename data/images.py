"""The one image decoder: bytes that a stranger may have made in, ink out."""

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from data.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MAX_PIXELS = 60_000_000  # a telephone's camera gives up to 50 million
MAX_BYTES = 100_000_000
WORKING_SIDE = 1024  # photographs are brought down to this before anything costly


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


def read_ink(file: Path | bytes | BinaryIO, size: int, name: str = "") -> np.ndarray:
    """Return any picture of one character as ink, uint8 ``[size, size]``, 0 = paper.

    Dark on light or light on dark, scanned, photographed under uneven light, or drawn on a
    screen. The paper is padded to a square and the whole brought to ``size`` by area. A clean
    two-valued drawing that has ``size`` pixels already, as Omniglot's, comes out unchanged.

    Args:
        file: a path, the file's bytes, or an open binary file.
        size: height and width asked for, in pixels.
        name: what errors call the file; a path names itself.

    Raises:
        DataError: the file cannot be read, or is no image.
    """
    name = name or (str(file) if isinstance(file, Path) else "image")
    grey = _fitting(decode_grey(_read(file, name), name))
    values = np.unique(grey)
    if int(values[-1]) - int(values[0]) < 16:  # an empty sheet; stretching would draw its noise
        return np.zeros((size, size), np.uint8)
    paper = grey.astype(np.float32)
    border = np.concatenate([paper[0], paper[-1], paper[:, 0], paper[:, -1]])
    middle = (float(values[0]) + float(values[-1])) / 2
    # The border is paper; only where it is half and half does the majority decide.
    share_dark = float((border < middle).mean())
    dark_paper = share_dark > 0.6 or (share_dark > 0.4 and float((paper < middle).mean()) > 0.5)
    if dark_paper:
        paper = 255 - paper
    ink = 255 - paper if len(values) == 2 else _flattened(paper)
    low, high = (ink.min(), ink.max()) if len(values) == 2 else np.percentile(ink, (25, 99.8))
    if len(values) > 2:
        high = max(high, low + 16)
        low = low + 0.15 * (high - low)  # grain of the paper stays below this
    ink = np.clip((ink - low) / max(high - low, 1e-6), 0, 1) * 255
    return _square(ink.round().astype(np.uint8), size)


def _read(file: Path | bytes | BinaryIO, name: str) -> bytes:
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


def _fitting(grey: np.ndarray) -> np.ndarray:
    """Bring a large picture down to the working side, by area."""
    scale = WORKING_SIDE / max(grey.shape)
    if scale >= 1:
        return grey
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))


def _flattened(paper: np.ndarray) -> np.ndarray:
    """Return ink (0 = paper) with the light's unevenness divided out where there can be any."""
    side = max(paper.shape)
    if side <= 64:
        return 255 - paper
    # The brightest within reach is paper, for strokes are narrower than an eighth of the sheet.
    window = max(3, side // 8)
    light = ndimage.gaussian_filter(ndimage.maximum_filter(paper, window), side / 16)
    return 255 * (1 - np.minimum(paper / np.maximum(light, 1), 1))


def _square(ink: np.ndarray, size: int) -> np.ndarray:
    side = max(ink.shape)
    down, across = side - ink.shape[0], side - ink.shape[1]
    ink = np.pad(ink, ((down // 2, down - down // 2), (across // 2, across - across // 2)))
    if side == size:
        return ink
    how = Image.Resampling.BOX if side > size else Image.Resampling.BICUBIC
    small = np.asarray(Image.fromarray(ink).resize((size, size), how)).astype(np.float32)
    # Thin strokes fade when reduced; the darkest is full ink again.
    return (small * (255 / max(small.max(), 1))).round().astype(np.uint8)
