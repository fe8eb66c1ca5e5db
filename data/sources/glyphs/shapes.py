"""From a font's outlines to thin strokes: what a pen would have to follow."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import matplotlib.path
import numpy as np
import scipy
from matplotlib.ft2font import FT2Font, LoadFlags
from PIL import Image, ImageDraw

FONT = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
SIDE = 105  # pixels of a drawing
REACH = 66  # pixels that the longer side of a character takes, as Omniglot's do
_SPUR = 7  # pixels: shorter side branches are corners of the outline, not strokes
_EIGHT = np.ones((3, 3), bool)


def strokes(codes: Sequence[int]) -> np.ndarray:
    """Return the characters' strokes one pixel wide, bool ``[len(codes), 105, 105]``."""
    face = FT2Font(str(FONT))
    return np.stack([prune(thin(_filled(face, code))) for code in codes])


def _filled(face: FT2Font, code: int) -> np.ndarray:
    """Return the filled outline, centred, its longer side ``REACH`` pixels; bool."""
    face.load_char(code, LoadFlags.NO_SCALE | LoadFlags.NO_HINTING)
    vertices, kinds = face.get_path()
    outline = matplotlib.path.Path(vertices, kinds)
    contours = [np.asarray(part) for part in outline.to_polygons(closed_only=False)]
    everything = np.concatenate(contours)
    low, high = everything.min(0), everything.max(0)
    scale = REACH / max(*(high - low), 1e-9)
    middle = (low + high) / 2
    filled = np.zeros((SIDE, SIDE), bool)
    for contour in contours:
        placed = (contour - middle) * (scale, -scale) + SIDE / 2
        mask = Image.new("1", (SIDE, SIDE))
        ImageDraw.Draw(mask).polygon([tuple(point) for point in placed], fill=1)
        filled ^= np.asarray(mask)  # an inner contour is a hole
    return filled


def thin(shape: np.ndarray) -> np.ndarray:
    """Return the skeleton of a bool image, by Zhang and Suen (1984)."""
    image = np.pad(shape, 1).astype(np.uint8)
    inner = image[1:-1, 1:-1]
    while True:
        before = inner.sum()
        for removable in _REMOVABLE:
            inner &= ~removable[_ring(image)]
        if inner.sum() == before:
            return inner.astype(bool)


# A pixel's neighbours clockwise from above, as the bits of one number.
_CLOCKWISE = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def _ring(image: np.ndarray) -> np.ndarray:
    height, width = image.shape
    ring = np.zeros((height - 2, width - 2), np.uint8)
    for bit, (down, across) in enumerate(_CLOCKWISE):
        ring |= image[1 + down : height - 1 + down, 1 + across : width - 1 + across] << bit
    return ring


def _removal_tables() -> list[np.ndarray]:
    """For both half steps: 1 for each of the 256 rings whose middle may go."""
    rings = (np.arange(256)[:, None] >> np.arange(8)) & 1
    count = rings.sum(1)
    turns = ((rings == 0) & (np.roll(rings, -1, axis=1) == 1)).sum(1)
    edge = (count >= 2) & (count <= 6) & (turns == 1)
    corners = (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6)))
    free = [[rings[:, list(three)].min(1) == 0 for three in pair] for pair in corners]
    return [(edge & first & second).astype(np.uint8) for first, second in free]


_REMOVABLE = _removal_tables()
_COUNT = np.array([bin(ring).count("1") for ring in range(256)])


def prune(skeleton: np.ndarray) -> np.ndarray:
    """Return the skeleton without side branches shorter than a few pixels."""
    kept = skeleton.copy()
    for _ in range(_SPUR):
        kept &= ~_ends(kept)
    # True strokes grow back from where they were cut; removed branches have no end to grow from.
    tips = _ends(kept)
    for _ in range(_SPUR):
        tips = (_ring(np.pad(tips, 1).astype(np.uint8)) > 0) & skeleton & ~kept
        kept |= tips
    # Dots and short marks would have gone altogether.
    marks, count = scipy.ndimage.label(skeleton, _EIGHT)
    left = np.unique(marks[kept])
    return kept | (skeleton & ~np.isin(marks, left) & (marks > 0)) if count else kept


def _ends(skeleton: np.ndarray) -> np.ndarray:
    ring = _ring(np.pad(skeleton, 1).astype(np.uint8))
    return skeleton & (_COUNT[ring] == 1)


def distance(skeletons: np.ndarray) -> np.ndarray:
    """Return each pixel's distance to the nearest stroke, float32 ``[N, 105, 105]``, in pixels."""
    return np.stack([scipy.ndimage.distance_transform_edt(~one) for one in skeletons]).astype(
        np.float32
    )


def distinct(skeletons: np.ndarray, apart: float) -> list[int]:
    """Return which characters to keep so that any two lie at least ``apart`` pixels apart.

    The distance of two characters is the modified Hausdorff distance of their strokes; of a pair
    too near, the earlier stays.
    """
    far = distance(skeletons)
    one_way = np.stack([far[:, one].mean(1) for one in skeletons])
    both = np.maximum(one_way, one_way.T)
    kept: list[int] = []
    for index in range(len(skeletons)):
        if all(both[index, other] >= apart for other in kept):
            kept.append(index)
    return kept
