"""Whether what stands out from the paper was drawn, or is print, grain, or the rest of a shadow."""

import numpy as np
import scipy

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

APART, TWO_LEVELS = 0.5, 4.0
"""Bold ink differs from its paper by so much, in logarithms, and by so many of the standard
deviations that either has."""
BOLD, AT_EDGE, FILLED = 1 / 16, 0.1, 0.85
"""Its strokes hold a square of this part of the longer side; it takes less of the picture's edge,
and less of its own bounding box, or it is the desk, a shadow, or a sheet."""

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
    spots, _ = scipy.ndimage.label(rest, _AROUND)
    area = np.bincount(spots.ravel())
    area[0] = 0
    noise = np.abs(level - scipy.ndimage.gaussian_filter(level, 3))
    boxes, strokes = scipy.ndimage.find_objects(spots), 0
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
    joined = scipy.ndimage.maximum_filter(dark, 5)  # over gaps, and over a line's slope
    for lines, across in ((joined, found), (joined.T, found.T)):
        straight = scipy.ndimage.minimum_filter1d(lines, length, axis=1, mode="nearest")
        straight = scipy.ndimage.maximum_filter1d(straight, length, axis=1, mode="nearest")
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
    alike, _ = scipy.ndimage.label(level < np.percentile(level[spot], 10) + tolerance)
    names = np.unique(alike[spot])
    region = np.isin(alike, names[names > 0])
    edge = np.concatenate([region[0], region[-1], region[:, 0], region[:, -1]])
    side = max(2, round(max(level.shape) * WIDE))
    square = scipy.ndimage.minimum_filter(region, side, mode="constant")
    return bool(edge.mean() > SEEN_BEYOND or square.any())


def bold(level: np.ndarray) -> np.ndarray:
    """Return the contrast of ink too wide to be told from light: all 0 but where there is such.

    A picture of two levels, of which one lies within the other, has no light in it: stamps, blobs,
    bold letters, cropped close.

    Args:
        level: float ``[H, W]``, in natural logarithms.
    """
    blank = np.zeros_like(level)
    threshold = _between(level)
    dark = level < threshold
    edge = np.concatenate([dark[0], dark[-1], dark[:, 0], dark[:, -1]])
    ink = dark if edge.mean() < 0.5 else ~dark
    if not ink.any() or ink.all():
        return blank
    here, there = level[ink], level[~ink]
    apart = abs(float(here.mean() - there.mean()))
    down, across = scipy.ndimage.find_objects(ink.astype(np.int8))[0]
    box = (down.stop - down.start) * (across.stop - across.start)
    width = max(2, round(max(ink.shape) * BOLD))
    if (
        apart < max(APART, TWO_LEVELS * max(float(here.std()), float(there.std())))
        or min(edge.mean(), 1 - edge.mean()) > AT_EDGE
        or ink.sum() > FILLED * box
        or scipy.ndimage.minimum_filter(ink, width, mode="constant").sum()
        < LEAST_STROKES * ink.sum()
    ):
        return blank
    away = (level - there.mean()) / (here.mean() - there.mean())
    return np.clip(away, 0, 1).astype(level.dtype)


def _between(level: np.ndarray) -> float:
    """Return the level that best parts the picture in two, by Otsu's criterion (1979)."""
    counts, bounds = np.histogram(level, 128)
    middle = (bounds[1:] + bounds[:-1]) / 2
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * middle).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = sums / below - (sums[-1] - sums) / above
    best = np.nan_to_num(below * above * apart**2)[:-1].argmax()
    return float(bounds[best + 1])
