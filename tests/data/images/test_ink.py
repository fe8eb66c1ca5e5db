"""Ink from pictures of characters as people have them: photographs, scans, drawings."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from data.images.ink import LONGER_SIDE, STROKE, WORKING_SIDE, read_ink
from data.images.paper import contrast
from tests.photographs import MILD, SCENES, SHADOW, Scene, photograph, saved

BLANK = np.zeros((105, 105), np.uint8)


def character(stroke: int = 4, scale: float = 1.0, shift: int = 0) -> np.ndarray:
    """Return ink, uint8 ``[105, 105]``: a character with an open, a closed part and a dot."""
    image = Image.new("L", (420, 420), 0)
    pen = ImageDraw.Draw(image)

    def at(*places: float) -> list[float]:
        return [210 + 4 * (place * scale + shift) for place in places]

    width = round(4 * stroke * scale)
    pen.line(at(-30, -30, -30, 30, 25, 30), 255, width)
    pen.ellipse(at(-15, -35, 28, 8), None, 255, width)
    pen.ellipse(at(5, 16, 11, 22), 255)
    return np.asarray(
        image.resize((105, 105), Image.Resampling.BOX).point(lambda v: 255 * (v > 127))
    )


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two inks, strokes a little apart counting in part."""
    a, b = (ndimage.gaussian_filter(ink.astype(float), 1.5).ravel() for ink in (one, other))
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-9))


def extent(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ink's bounding box: sides and middle, as parts of the frame, down and across."""
    first, last = (
        np.array([np.flatnonzero((ink > 127).any(axis))[end] for axis in (1, 0)]) for end in (0, -1)
    )
    return (last + 1 - first) / len(ink), (last + 1 + first) / 2 / len(ink)


LARGE = np.asarray(Image.fromarray(255 - character()).resize((300, 300), Image.Resampling.BICUBIC))
CLEAN = read_ink(saved(LARGE, "PNG"), 105)


def test_clean_ink_on_clean_paper() -> None:
    assert CLEAN.shape == (105, 105)
    assert CLEAN.dtype == np.uint8
    assert CLEAN.max() == 255
    sides, middle = extent(CLEAN)
    assert sides.max() == pytest.approx(LONGER_SIDE, abs=0.04)
    assert np.abs(middle - 0.5).max() < 0.02
    assert likeness(CLEAN, character()) > 0.5, "the same way up"


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_a_two_valued_drawing_of_that_size_is_unchanged(mode: str) -> None:
    ink = np.zeros((105, 105), np.uint8)
    ink[20:80, 50:53] = 255
    ink[0, :30] = 255  # ink may touch the edge
    for drawn in (255 - ink, ink):
        file = io.BytesIO()
        Image.fromarray(drawn).convert(mode).save(file, "PNG")
        assert np.array_equal(read_ink(file.getvalue(), 105), ink), "dark on light or not"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scene", SCENES)
def test_every_photograph_gives_the_ink_of_the_clean_drawing(scene: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    ink = read_ink(photograph(character(), SCENES[scene], random), 105)
    assert likeness(ink, CLEAN) > 0.93
    assert np.median(ink) == 0


@pytest.mark.parametrize("stroke", [3, 5])
@pytest.mark.parametrize("scale", [0.4, 1.3])
def test_size_place_and_pen_make_no_difference(scale: float, stroke: int) -> None:
    drawn = 255 - character(stroke, scale, shift=8 if scale < 1 else 0)
    large = np.asarray(Image.fromarray(drawn).resize((630, 630), Image.Resampling.BICUBIC))
    ink = read_ink(saved(large, "PNG"), 105)
    assert likeness(ink, CLEAN) > 0.85
    depth = ndimage.distance_transform_edt(ink > 127)
    widths = 2 * depth[(ndimage.maximum_filter(depth, 3) == depth) & (depth > 0)] - 1
    assert np.percentile(widths, 25) == pytest.approx(STROKE * 105, abs=1.3)


def test_light_on_dark() -> None:
    assert np.array_equal(read_ink(saved(255 - LARGE, "PNG"), 105), CLEAN)


BARE: dict[str, Scene] = {
    "mild": MILD,
    "shadow": SHADOW,
    "vignette": replace(MILD, vignette=0.4),
    "glint": replace(MILD, glint=True),
    "grain": replace(MILD, noise=8.0),
    "dark": replace(MILD, paper=0.12),
    "squared": replace(MILD, squares=30),
    "squared, bold": replace(SHADOW, squares=45, printing=0.5),
    "ruled": replace(MILD, rules=45),
    "ruled, bold": replace(SHADOW, rules=30, printing=0.5),
    "desk": replace(MILD, desk=60),
    "desk, squared": replace(MILD, desk=30, squares=30),
    "desk, ruled": replace(MILD, desk=60, rules=45, printing=0.5),
}


@pytest.mark.parametrize("scene", BARE)
def test_an_empty_sheet_has_no_ink(scene: str) -> None:
    """Tried with 20 seeds; the first few are most of what can go wrong."""
    for seed in range(5):
        sheet = photograph(BLANK, BARE[scene], np.random.default_rng(seed))
        assert not read_ink(sheet, 105).any(), seed


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_empty_small_sheet_has_no_ink(value: int) -> None:
    noisy = np.full((80, 80), value) + np.random.default_rng(0).integers(-4, 5, (80, 80))
    assert not read_ink(saved(np.clip(noisy, 0, 255).astype(np.uint8), "PNG"), 35).any()
    assert not read_ink(saved(np.full((80, 80), value, np.uint8), "PNG"), 35).any()


@pytest.mark.parametrize("light", [{}, {"shadow": 0.55}, {"vignette": 0.4}])
def test_faint_pencil_is_not_blank(light: dict[str, float]) -> None:
    """A fifth darker than the paper, in a shadow too."""
    scene = replace(MILD, ink=0.68, **light)
    ink = read_ink(photograph(character(3), scene, np.random.default_rng(1)), 105)
    assert likeness(ink, CLEAN) > 0.9


@pytest.mark.parametrize("noise", [0, 1, 3])
@pytest.mark.parametrize("size", [300, 800])
def test_pencil_of_12_in_255_is_not_blank(size: int, noise: float) -> None:
    drawn = Image.fromarray(character(3)).resize((size, size), Image.Resampling.BICUBIC)
    random = np.random.default_rng(0)
    grain = noise * random.standard_normal((size, size))
    for paper in (230, 255):
        sheet = np.clip(paper - np.asarray(drawn) * (12 / 255) + grain, 0, 255).round()
        ink = read_ink(saved(sheet.astype(np.uint8), "PNG"), 105)
        assert likeness(ink, CLEAN) > 0.9
        bare = np.clip(paper + grain, 0, 255).round()
        assert not read_ink(saved(bare.astype(np.uint8), "PNG"), 105).any()


def test_pencil_of_12_in_255_is_not_blank_on_grained_paper() -> None:
    scene = replace(MILD, ink=0.8)
    ink = read_ink(photograph(character(3), scene, np.random.default_rng(0)), 105)
    assert likeness(ink, CLEAN) > 0.9


@pytest.mark.parametrize("light", [{}, {"desk": 60}, {"shadow": 0.55}])
def test_bold_lines_of_the_sheet_do_not_make_a_drawing_blank(light: dict[str, float]) -> None:
    scene = replace(MILD, side=330, squares=45, **light)
    ink = read_ink(photograph(character(), scene, np.random.default_rng(0)), 105)
    assert likeness(ink, CLEAN) > 0.9


def test_specks_do_not_decide_the_frame() -> None:
    dirty = LARGE.copy()
    dirty[5:8, 5:8] = dirty[290:293, 280:282] = 0
    assert likeness(read_ink(saved(dirty, "PNG"), 105), CLEAN) > 0.99


def test_a_dot_is_not_blown_up_to_a_disc() -> None:
    dot = np.full((400, 400), 255, np.uint8)
    dot[190:200, 190:200] = 0
    ink = read_ink(saved(dot, "PNG"), 105)
    sides, middle = extent(ink)
    assert 0.02 < sides.max() < 0.25
    assert np.abs(middle - 0.5).max() < 0.02


def test_ink_at_the_very_edge_of_a_tight_crop_stays() -> None:
    tight = np.full((60, 40), 255, np.uint8)
    tight[:, :6] = tight[:, -6:] = tight[27:33] = 0
    ink = read_ink(saved(tight, "PNG"), 105) > 127
    assert ink[52, 30:75].all(), "the bar"
    assert ink[30, :52].any(), "the left post"
    assert ink[30, 53:].any(), "the right post"


def test_not_stretched() -> None:
    sides, _ = extent(read_ink(saved(LARGE[:, ::3], "PNG"), 105))
    assert sides[1] < 0.45 * sides[0]


def test_both_sides_agree() -> None:
    """What is read at 105 px and reduced, as a data set is, is what is read at a net's size."""
    photo = photograph(character(), MILD, np.random.default_rng(0))
    small = Image.fromarray(read_ink(photo, 105)).resize((35, 35), Image.Resampling.BOX)
    assert likeness(np.asarray(small), read_ink(photo, 35)) > 0.98


@pytest.mark.parametrize("size", [1, 7, 28, 105, 200])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2), (64, 64), (65, 400)])
def test_any_size_from_any_size(size: int, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    for picture in (values, values // 128 * 255):
        ink = read_ink(saved(picture, "PNG"), size)
        assert ink.shape == (size, size)
        assert ink.dtype == np.uint8


def test_thin_strokes_keep_full_ink() -> None:
    thin = np.full((1000, 1000), 255, np.uint8)
    thin[250:750, 500:502] = 0
    assert read_ink(saved(thin, "PNG"), 35).max() == 255


@pytest.mark.parametrize("kind", ["path", "file"])
def test_paths_and_files(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(saved(LARGE, "PNG"))
    with path.open("rb") as file:
        assert np.array_equal(read_ink(path if kind == "path" else file, 105), CLEAN)


def test_a_large_photograph_is_made_small_before_it_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[int, ...]] = []

    def shape_seen(grey: np.ndarray) -> np.ndarray:
        seen.append(grey.shape)
        return contrast(grey)

    monkeypatch.setattr("data.images.ink.contrast", shape_seen)
    photo = Image.open(io.BytesIO(photograph(character(), MILD, np.random.default_rng(0))))
    large = np.asarray(photo.convert("L").resize((4000, 3000)))
    read_ink(io.BytesIO(saved(large, "JPEG")), 105)
    assert seen == [(WORKING_SIDE * 3 // 4, WORKING_SIDE)]
