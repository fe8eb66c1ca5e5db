"""How much darker (or lighter) than the paper beside it every pixel of a picture is.

Light changes slowly or along edges that are longer than a stroke is wide, ink is narrow: the paper
is what a morphological closing leaves. In logarithms a shadow then takes nothing from the ink.
"""

import numpy as np
import scipy
from PIL import Image

from data.images.drawn import bold, is_drawn

WIDEST_STROKE = 1 / 8
"""As part of the picture's longer side; what is wider counts as shadow, or as desk."""
LEAST_CONTRAST = 0.03
"""Ink is at least so much darker than its paper, in natural logarithms: 3 %."""
LEAST_OVER_GRAIN = 9.0
"""And stands out from the paper's grain by so many of its standard deviations."""
FLOOR = 16.0
"""Added to grey values of 0 to 255: below it, noise is as large as the picture."""
SMOOTHINGS = (1 / 800, 1 / 200)
"""Standard deviations, as parts of the longer side; the next where nothing was found with one."""
EVEN = 0.6
"""Light has no edge where it changes by less within a stroke's largest width, in logarithms."""
COARSE_SIDE = 128
"""At which it is seen whether ink is dark or light."""
SMALL = 64
"""Pixels of the longer side up to which a picture shows a character alone: no sheet, no light."""
FLAT = 0.5
"""Where so many pixels have one value, a program drew the picture and there is no light in it."""


def contrast(grey: np.ndarray) -> np.ndarray:
    """Return each pixel's contrast to the paper, float32 ``[H, W]``: 0 = paper, 1 = full ink.

    Whether ink is dark or light is decided once the light is taken out: whichever has more of it.
    An empty sheet, with its grain and its printed lines, under any light, is all 0.

    Args:
        grey: uint8 ``[H, W]``, 255 = white.
    """
    counts = np.bincount(grey.ravel(), minlength=256)
    if counts.max() >= FLAT * grey.size:
        return _of_flat(grey, counts)
    # Grain is finer than any stroke; more of it is taken out where nothing stands out from it.
    for smoothing in SMOOTHINGS:
        smooth = scipy.ndimage.gaussian_filter(grey.astype(np.float32), smoothing * max(grey.shape))
        level = np.log(smooth + FLOOR)
        if smoothing != SMOOTHINGS[0] and not _evenly_lit(level):
            break  # the rest of an edge would stand out too
        if _light_on_dark(level):
            level = -level
        ink, top = _over_paper(level)
        if top:
            if max(grey.shape) <= SMALL or is_drawn(ink, level, top):
                return ink
            # The rest of a shadow or of the desk decided the polarity: try the other.
            level = -level
            ink, top = _over_paper(level)
            return ink if top and is_drawn(ink, level, top) else bold(level)
    return bold(level)


def _over_paper(level: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the contrast of what is lower than the paper, and which difference is full contrast.

    Both are 0 where nothing stands out from the paper's grain.
    """
    side = max(level.shape)
    ink = _closed(level, max(3, round(side * WIDEST_STROKE) | 1)) - level
    grain = ink[:: max(1, side // 256), :: max(1, side // 256)]
    middle = float(np.median(grain))
    spread = 1.48 * float(np.median(np.abs(grain - middle)))
    top = float(np.percentile(ink, 99.9)) - middle
    if top < LEAST_CONTRAST or top < LEAST_OVER_GRAIN * spread:
        return np.zeros_like(ink), 0.0
    return np.clip((ink - middle) / top, 0, 1), top


def _evenly_lit(level: np.ndarray) -> bool:
    """Return whether no edge of a shadow or of the sheet is in the picture."""
    window = max(3, round(max(level.shape) * WIDEST_STROKE) | 1)
    paper = _closed(level, window)
    steps = scipy.ndimage.maximum_filter(paper, window) - scipy.ndimage.minimum_filter(
        paper, window
    )
    return bool(steps.max() < EVEN)


def _of_flat(grey: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the contrast where the paper has one value."""
    values = counts.nonzero()[0]
    paper = int(counts.argmax())
    if len(values) == 2:
        # A bold drawing may fill more than half: what lies at the edge is paper.
        edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
        share = float((edge == values[0]).mean())
        if not 0.1 < share < 0.9:
            paper = int(values[0] if share > 0.5 else values[1])
    away = np.abs(grey.astype(np.float32) - paper)
    top, least = float(away.max()), LEAST_CONTRAST * 255
    # Noise at the end of the scale deviates pixel by pixel.
    blank = top < least or scipy.ndimage.uniform_filter(away, 3).max() < least / 2
    return np.zeros_like(away) if blank else away / top


def _light_on_dark(level: np.ndarray) -> bool:
    """Return whether what is narrow in the picture is lighter than what is beside it.

    Closings and openings by turns, the narrowest first: strokes go before the gaps between them.
    """
    height, width = level.shape
    scale = min(1.0, COARSE_SIDE / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    coarse = np.asarray(Image.fromarray(level).resize(small, Image.Resampling.BOX))
    paper = coarse
    for window in range(3, max(4, round(max(small) * WIDEST_STROKE) + 1), 2):
        paper = -_closed(-_closed(paper, window), window)
    return bool(((coarse - paper) ** 3).sum() > 0)


def _closed(level: np.ndarray, window: int) -> np.ndarray:
    """Return the paper under what is darker and narrower than ``window``.

    The picture is thought to go on beyond its edges, so that a desk seen at one of them is wide.
    """
    padded = np.pad(level, window, mode="edge")
    lightest = scipy.ndimage.maximum_filter(padded, window)
    closed = scipy.ndimage.minimum_filter(lightest, window)
    return closed[window:-window, window:-window]
