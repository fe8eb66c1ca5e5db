"""From a picture of one character to ink: paper, light, polarity, place and size taken out."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import scipy
from PIL import Image

from data.images.decode import decode_grey, read_bytes
from data.images.paper import contrast

WORKING_SIDE = 800  # photographs are brought down to this before anything costly
LONGER_SIDE = 0.72
"""Of the ink, as part of the frame; the drawings of Omniglot: 0.65 (0.44 to 0.85)."""
STROKE, WIDEST = 0.036, 0.16
"""Width that strokes are drawn anew with, and the widest before: a dot is not blown up to a disc.
Parts of the frame; Omniglot's pen: 0.03."""
PAPER, FULL = 0.3, 0.6
"""Contrast up to which all is paper, printed lines too, and from which all is ink."""
SPECK = 0.01
"""Part of all ink below which a spot by itself is dirt."""


def read_ink(file: Path | bytes | BinaryIO, size: int, name: str = "") -> np.ndarray:
    """Return any picture of one character as ink, uint8 ``[size, size]``, 0 = paper.

    Dark on light or light on dark, scanned, photographed under uneven light, or drawn on a
    screen. The ink is centred and brought to one size, whatever its place and size in the picture:
    a photograph has no frame of reference for either. A two-valued picture of ``size`` pixels, as
    Omniglot's at 105, has, and comes out unchanged.

    Args:
        file: a path, the file's bytes, or an open binary file.
        size: height and width asked for, in pixels.
        name: what errors call the file; a path names itself.

    Raises:
        DataError: the file cannot be read, or is no image.
    """
    name = name or (str(file) if isinstance(file, Path) else "image")
    grey = decode_grey(read_bytes(file, name), name)
    ink = contrast(_fitting(grey))
    if grey.shape == (size, size) and np.isin(ink, (0, 1)).all():
        return (255 * ink).astype(np.uint8)
    return _framed(_cleaned(ink), size)


def _fitting(grey: np.ndarray) -> np.ndarray:
    """Bring a large picture down to the working side, by area."""
    scale = WORKING_SIDE / max(grey.shape)
    if scale >= 1:
        return grey
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))


def _cleaned(ink: np.ndarray) -> np.ndarray:
    """Return the ink, float32 ``[H, W]`` in 0..1, without specks and what is nowhere black."""
    ink = np.clip((ink - PAPER) / (FULL - PAPER), 0, 1)
    spots, number = scipy.ndimage.label(ink > 0, np.ones((3, 3)))
    if not number:
        return ink
    area = np.bincount(spots.ravel(), ink.ravel())
    darkest = scipy.ndimage.maximum(ink, spots, np.arange(number + 1))
    kept = (area >= SPECK * area.sum()) & (darkest >= 1)
    kept[0] = False
    return ink * kept[spots]


def _framed(ink: np.ndarray, size: int) -> np.ndarray:
    """Return the ink in the middle of a frame, as one pen draws it, uint8 ``[size, size]``."""
    rows, columns = (np.flatnonzero((ink >= 0.5).any(axis)) for axis in (1, 0))
    if not len(rows):
        return np.zeros((size, size), np.uint8)
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)
    frame = max(box[2] - box[0], box[3] - box[1]) / LONGER_SIDE
    side = 2 * max(size, 105)
    large = _square(ink, box, frame, side)
    width = _stroke(large)
    if width > WIDEST * side:
        large = _square(ink, box, frame * width / (WIDEST * side), side)
        width = _stroke(large)
    inside = large > 0.5
    # From every pixel to the stroke's edge; moved outwards or inwards, it is another pen's.
    depth = np.where(
        inside,
        scipy.ndimage.distance_transform_edt(inside) - 0.5,
        0.5 - scipy.ndimage.distance_transform_edt(~inside),
    )
    drawn = np.clip(depth - (width - STROKE * side) / 2 + 0.5, 0, 1).astype(np.float32)
    small = np.asarray(Image.fromarray(drawn).resize((size, size), Image.Resampling.BOX))
    # Thin strokes fade when reduced; the darkest is full ink again.
    return (small * (255 / max(float(small.max()), 1e-6))).round().astype(np.uint8)


def _stroke(ink: np.ndarray) -> float:
    """Return how wide the thinner strokes are, in pixels."""
    inside = ink > 0.5
    depth = scipy.ndimage.distance_transform_edt(inside)
    ridge = inside & (scipy.ndimage.maximum_filter(depth, 3) == depth)
    return 2 * float(np.percentile(depth[ridge], 25)) - 1 if ridge.any() else 0.0


def _square(ink: np.ndarray, box: np.ndarray, frame: float, side: int) -> np.ndarray:
    """Return the square of side ``frame`` about the middle of ``box``, ``[side, side]``."""
    corner = (box[:2] + box[2:]) / 2 - frame / 2
    within = np.floor(np.maximum(corner, 0)).astype(int)
    beyond = np.ceil(corner + frame).astype(int)
    part = ink[within[1] : beyond[1], within[0] : beyond[0]]
    margin = int(np.ceil(frame))
    padded = Image.fromarray(np.pad(part, margin))
    corner = corner - within + margin
    how = Image.Resampling.BOX if frame > side else Image.Resampling.BICUBIC
    square = padded.resize((side, side), how, box=(*corner, *(corner + frame)))
    return np.clip(np.asarray(square), 0, 1)
