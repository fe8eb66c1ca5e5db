"""Strokes told from print, grain, and the rest of a shadow."""

import numpy as np
import pytest

from data.images.drawn import LINES, bold, is_drawn
from data.images.paper import contrast

H, W = 240, 320
Y, X = np.mgrid[0:H, 0:W]
STROKE = (np.hypot(Y - 120, X - 160) > 50) & (np.hypot(Y - 120, X - 160) < 56)


def drawn(ink: np.ndarray, level: np.ndarray | None = None) -> bool:
    """Judge full ink where ``ink`` is true, on a sheet of level 5 unless one is given."""
    contrast = ink.astype(np.float32)
    return is_drawn(contrast, 5 - contrast if level is None else level, 1.0)


def ruled(number: int, *, upright: bool = False) -> np.ndarray:
    """Return ``number`` lines across the sheet, a little aslant."""
    along, across = (Y, X) if upright else (X, Y)
    distance = (W if upright else H) / (number + 0.5)
    slant: np.ndarray = (across + along / 40) % distance < 2
    return slant


def test_a_stroke_is_drawn() -> None:
    assert drawn(STROKE)
    assert not drawn(np.zeros_like(STROKE))


@pytest.mark.parametrize("upright", [False, True])
def test_parallel_lines_across_the_sheet_are_printed(upright: bool) -> None:
    lines = ruled(LINES + 2, upright=upright)
    assert not drawn(lines)
    assert not drawn(lines | ruled(LINES + 1, upright=not upright))
    assert drawn(lines | STROKE)


def test_a_few_lines_are_a_character() -> None:
    assert drawn(ruled(3))
    assert drawn(ruled(3) | ruled(3, upright=True))


def test_many_short_strokes_are_not_printed() -> None:
    assert drawn((ruled(9) & (X % 90 < 50) & (X > 10 * (Y // 20))) | STROKE)


def test_a_corner_of_something_wide_is_no_stroke() -> None:
    shadow = Y < 100
    corner = shadow & (X < 30) & (Y > 70)
    level = np.where(shadow, 4.0, 5.0)
    assert not drawn(corner, level)
    assert drawn(corner, np.where(corner, 4.0, 5.0))


def test_what_is_seen_beyond_most_of_the_edge_is_the_desk() -> None:
    desk = (X < 20) | (Y < 20) | (X > W - 20)
    assert not drawn(desk & (Y < 30), np.where(desk, 4.0, 5.0))


def test_grain_is_no_stroke() -> None:
    grain = np.random.default_rng(0).standard_normal((H, W))
    assert not drawn(grain < -1, 5 + grain)
    assert drawn(STROKE, 5 - STROKE + grain / 20)


def stamp(noise: float, seed: int = 0) -> np.ndarray:
    """Return a grey picture ``[60, 60]`` of a bold L, a quarter of its side wide, cropped close."""
    grey = np.full((60, 60), 210.0)
    grey[6:54, 6:21] = grey[39:54, 6:54] = 50
    grey += noise * np.random.default_rng(seed).standard_normal(grey.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [0.0, 4.0, 12.0])
@pytest.mark.parametrize("light", [False, True])
def test_bold_ink_is_no_shadow(noise: float, light: bool) -> None:
    grey = 255 - stamp(noise) if light else stamp(noise)
    found = contrast(grey)
    drawn = stamp(0) < 100
    assert found[drawn].mean() > 0.9
    assert found[~drawn].mean() < 0.1


def test_light_and_sheets_are_not_bold_ink() -> None:
    rows = np.linspace(0, 1, 60)[:, None] * np.ones(60)
    shadow = np.where(rows > 0.6, np.log(50.0), np.log(200.0))
    sheet = np.full((60, 60), np.log(60.0))
    sheet[10:50, 8:52] = np.log(210.0)
    for level in (shadow, sheet, np.log(50 + 150 * rows), np.zeros((60, 60))):
        assert not bold(level).any()
        assert not bold(-level).any()
