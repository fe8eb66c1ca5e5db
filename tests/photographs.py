"""Photographs of drawings as a telephone takes them, made up on the spot: seeded, no files needed.

A drawing is laid on a sheet as ink; the sheet is lit, seen slightly from the side, blurred, grained
and saved as a JPEG of 800 x 600 pixels.
"""

import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from scipy import ndimage

WIDTH, HEIGHT = 800, 600
Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is photographed, and how; reflectances and light in 0..1, lengths in pixels.

    Attributes:
        side: of the drawing's frame.
        stray: largest distance of the frame's middle from the picture's, along x and y.
        paper, ink: their reflectance.
        unevenness: largest loss of light from one side of the picture to the other.
        shadow: part of the light that a shadow over 60 to 75 % of the picture takes.
        vignette: light in the corners.
        glint: whether a spot of 5 x 5 pixels is as bright as can be.
        squares: distance of the printed lines of squared paper; 0 for none.
        rules: the same of ruled paper.
        printing: what the lines leave of the paper's reflectance.
        desk: width of the dark desk seen around the sheet.
        tilt: largest move of a corner by perspective, as part of the picture.
        blur: standard deviation.
        noise: standard deviation, of 255.
    """

    side: float = 400
    stray: float = 15
    paper: float = 0.85
    ink: float = 0.15
    unevenness: float = 0.25
    shadow: float = 0.0
    vignette: float = 1.0
    glint: bool = False
    squares: float = 0.0
    rules: float = 0.0
    printing: float = 0.75
    desk: float = 0.0
    tilt: float = 0.03
    blur: float = 1.2
    noise: float = 3.0


MILD = Scene()
SHADOW = replace(MILD, shadow=0.55)
SCENES: dict[str, Scene] = {
    "mild photo": MILD,
    "off-centre": replace(MILD, side=330, stray=130),
    "cast shadow": SHADOW,
    "small on the sheet": replace(MILD, side=150, stray=100),
    "squared paper": replace(MILD, squares=30),
    "light on dark": replace(MILD, paper=0.12, ink=0.8),
    "vignette": replace(MILD, vignette=0.4),
    "glint": replace(MILD, glint=True),
    "dark desk": replace(MILD, side=330, desk=60),
    "faint pencil": replace(MILD, ink=0.68),
}


def photograph(ink: Array, scene: Scene, random: np.random.Generator) -> bytes:
    """Return a JPEG file of the drawing ``ink``, uint8 ``[H, H]`` with 0 = paper, in ``scene``."""
    sheet = scene.paper * _printed(scene)
    sheet += (scene.ink - sheet) * _laid(ink, scene, random)
    if scene.desk:
        on_sheet = np.zeros(_SHAPE, bool)
        edge = int(scene.desk)
        on_sheet[edge:-edge, edge:-edge] = True
        sheet[~on_sheet] = 0.15
    grain = ndimage.gaussian_filter(random.standard_normal(_SHAPE, np.float32), 1)
    seen = _tilted(sheet, scene, random) * _light(scene, random) * (1 + 0.05 * grain)
    seen = ndimage.gaussian_filter(255 * seen, scene.blur)
    if scene.glint:
        y, x = random.integers(20, HEIGHT - 20), random.integers(20, WIDTH - 20)
        seen[y : y + 5, x : x + 5] = 255
    seen += scene.noise * random.standard_normal(_SHAPE, np.float32)
    return saved(np.clip(seen, 0, 255).astype(np.uint8), "JPEG", quality=85)


def saved(grey: Array, form: str, **options: int) -> bytes:
    """Return ``grey``, uint8 ``[H, W]``, as an image file."""
    file = io.BytesIO()
    Image.fromarray(grey).save(file, form, **options)
    return file.getvalue()


_SHAPE = (HEIGHT, WIDTH)
_Y, _X = (axis.astype(np.float32) for axis in np.mgrid[0:HEIGHT, 0:WIDTH])
_DOWN, _ACROSS = _Y / HEIGHT - 0.5, _X / WIDTH - 0.5


def _laid(ink: Array, scene: Scene, random: np.random.Generator) -> Array:
    """Return the sheet's ink in 0..1, its edges as smooth as a pen's."""
    side = round(scene.side)
    large = Image.fromarray(ink).resize((side, side), Image.Resampling.BICUBIC)
    smooth = ndimage.gaussian_filter(np.asarray(large, np.float32) / 255, side / 200)
    stray_x, stray_y = random.uniform(-scene.stray, scene.stray, 2)
    stray_y = np.clip(stray_y, (side - HEIGHT) / 2, (HEIGHT - side) / 2)
    top, left = round((HEIGHT - side) / 2 + stray_y), round((WIDTH - side) / 2 + stray_x)
    drawn = np.zeros(_SHAPE, np.float32)
    drawn[top : top + side, left : left + side] = np.clip((smooth - 0.25) * 2, 0, 1)
    return drawn


def _printed(scene: Scene) -> Array:
    """Return what the printed lines leave of the paper's reflectance, in 0..1."""
    printed = np.ones(_SHAPE, np.float32)
    for distance, axes in ((scene.squares, (_X, _Y)), (scene.rules, (_Y,))):
        for axis in axes if distance else ():
            printed[axis % distance < 2] = scene.printing
    return printed


def _tilted(sheet: Array, scene: Scene, random: np.random.Generator) -> Array:
    """Return the sheet with its corners moved, each by itself; what comes in is as the edge."""
    size = np.array([WIDTH, HEIGHT])
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size
    # Towards the middle only: what is seen is a part of the sheet.
    moved = corners + (0.5 - corners / size) * 2 * scene.tilt * random.uniform(0, 1, (4, 2)) * size
    rows = []
    for (x, y), (u, v) in zip(corners, moved, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    coefficients = np.linalg.solve(np.array(rows, float), moved.ravel())
    seen = Image.fromarray(sheet).transform(
        (WIDTH, HEIGHT),
        Image.Transform.PERSPECTIVE,
        coefficients.tolist(),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(seen)


def _light(scene: Scene, random: np.random.Generator) -> Array:
    angle = random.uniform(0, 2 * np.pi)
    along = np.cos(angle) * _ACROSS + np.sin(angle) * _DOWN
    light = 1 - scene.unevenness * random.uniform(0.5, 1) * (along + 0.5)
    if scene.shadow:
        angle, covered = random.uniform(0, 2 * np.pi), random.uniform(0.6, 0.75)
        across = np.cos(angle) * _X + np.sin(angle) * _Y
        edge = np.quantile(across[::10, ::10], covered)
        light = light * (1 - scene.shadow * np.clip((edge - across) / 20 + 0.5, 0, 1))
    return light * (1 - (1 - scene.vignette) * 2 * (_ACROSS**2 + _DOWN**2))
