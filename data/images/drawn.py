"""Whether what stands out from the paper was drawn, or is print, grain, or the rest of a shadow."""

import numpy as np
from scipy import ndimage

INK = 0.4
"""Contrast from which a pixel is looked at."""
LEAST_STROKES = 0.1
"""Of all that stands out, so much must be drawn."""
SPOTS, SPOT = 12, 0.01
"""How many spots are looked at, the largest first, and how large they are at least: part of all."""
WIDE, SEEN_BEYOND = 1 / 6, 0.5
"""Light and desk fill a square, its side a part of the picture's, or so much of its edge."""
SAME_LEVEL = 0.4
"""Difference of levels that is none, as part of the full contrast."""
LEAST_OVER_GRAIN = 7.0
"""Strokes are at least so much darker than the grain beside them, in its standard deviations."""
LINES, LINE = 5, 1 / 16
"""So many parallel lines across all that stands out are printed; a straight piece, as part of the
picture's longer side."""

_AROUND = np.ones((3, 3))


def is_drawn(ink: np.ndarray, level: np.ndarray, top: float) -> bool:
    """Return whether there are strokes among the ink.

    Not strokes are: the straight lines of ruled or squared paper; corners of a sheet, of a light or
    of a shadow, whose level goes on beyond them; and grain, which is coarse where it is dark.

    Args:
        ink: contrast to the paper, float ``[H, W]`` in 0..1.
        level: the picture's, the same shape, in natural logarithms; ink is lower.
        top: difference of levels that is full contrast.
    """
    dark = ink > INK
    total = int(dark.sum())
    rest = dark & ~_printed(dark)
    needed = max(1, LEAST_STROKES * total)
    spots, _ = ndimage.label(rest, _AROUND)
    area = np.bincount(spots.ravel())
    area[0] = 0
    noise = np.abs(level - ndimage.gaussian_filter(level, 3))
    boxes, strokes = ndimage.find_objects(spots), 0
    for spot in np.argsort(-area, kind="stable")[:SPOTS]:
        if area[spot] < max(1, SPOT * total):
            break
        around = tuple(slice(max(0, side.start - 20), side.stop + 20) for side in boxes[spot - 1])
        inside = spots == spot
        grain = 1.48 * float(np.median(noise[around]))
        clear = float(np.median(ink[inside])) * top >= LEAST_OVER_GRAIN * grain
        if clear and not _goes_on(inside, level, SAME_LEVEL * top):
            strokes += int(area[spot])
            if strokes >= needed:
                return True
    return False


def _printed(dark: np.ndarray) -> np.ndarray:
    """Return which pixels belong to parallel lines, level or upright, across all that is dark."""
    length = max(3, round(max(dark.shape) * LINE))
    found = np.zeros_like(dark)
    joined = ndimage.maximum_filter(dark, 5)  # over gaps, and over a line's slope
    for lines, across in ((joined, found), (joined.T, found.T)):
        straight = ndimage.minimum_filter1d(lines, length, axis=1, mode="nearest")
        straight = ndimage.maximum_filter1d(straight, length, axis=1, mode="nearest")
        columns = np.flatnonzero(straight.any(0))
        if not len(columns):
            continue
        first, last = np.percentile(columns, (10, 90)).astype(int)
        begun = (
            np.diff(straight[:, first : last + 1], axis=0, prepend=False)
            & straight[:, first : last + 1]
        )
        if np.percentile(begun.sum(0), 10) >= LINES:
            across |= straight
    return found & dark


def _goes_on(spot: np.ndarray, level: np.ndarray, tolerance: float) -> bool:
    """Return whether the spot is part of something wide that has its level."""
    alike, _ = ndimage.label(level < np.percentile(level[spot], 10) + tolerance)
    names = np.unique(alike[spot])
    region = np.isin(alike, names[names > 0])
    edge = np.concatenate([region[0], region[-1], region[:, 0], region[:, -1]])
    side = max(2, round(max(level.shape) * WIDE))
    square = ndimage.minimum_filter(region, side, mode="constant")
    return bool(edge.mean() > SEEN_BEYOND or square.any())
