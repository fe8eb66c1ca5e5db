"""From a picture of one character to ink: paper, light and polarity taken out."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from scipy import ndimage

from data.images.decode import decode_grey, read_bytes

WORKING_SIDE = 1024  # photographs are brought down to this before anything costly


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
    grey = _fitting(decode_grey(read_bytes(file, name), name))
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
