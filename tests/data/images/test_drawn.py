"""Strokes told from print, grain, and the rest of a shadow."""

import numpy as np
import pytest

from data.images.drawn import LINES, is_drawn

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
