"""Ink out of photographs: what is drawn comes out, whatever paper and light are around it."""

import numpy as np
import pytest

from data.images.ink import LONGER_SIDE, read_ink
from data.sources.table import load
from tests.photographs import MILD, SCENES, SHADOW, photograph, saved

SIZE = 105


@pytest.fixture(scope="module")
def drawings() -> np.ndarray:
    """Return a few drawings of many alphabets, uint8 ``[N, 105, 105]``, ink 255."""
    return load("glyphs").drawings.ink[::1511][:6].numpy()


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    a, b = one.ravel().astype(float), other.ravel().astype(float)
    return float(a @ b / max(1e-9, np.sqrt((a @ a) * (b @ b))))


@pytest.mark.parametrize("scene", SCENES)
def test_a_photograph_gives_the_ink_of_its_drawing(scene: str, drawings: np.ndarray) -> None:
    random = np.random.default_rng(0)
    seen = []
    for place, drawing in enumerate(drawings):
        clean = [read_ink(saved(255 - other, "PNG"), 104) for other in drawings]
        ink = read_ink(photograph(drawing, SCENES[scene], random), 104)
        assert ink.any(), "read as blank"
        alike = [likeness(ink, other) for other in clean]
        seen.append(int(np.argmax(alike)) == place)
    # The one drawing is told from the others by its pixels alone.
    assert np.mean(seen) >= 5 / 6, seen


@pytest.mark.parametrize("scene", [MILD, SHADOW, SCENES["vignette"]], ids=["mild", "shadow", "dim"])
def test_an_empty_sheet_is_blank_under_any_light(scene: object) -> None:
    for seed in range(5):
        random = np.random.default_rng(seed)
        nothing = np.zeros((SIZE, SIZE), np.uint8)
        assert not read_ink(photograph(nothing, scene, random), SIZE).any()  # type: ignore[arg-type]


def test_place_and_size_in_the_picture_change_little(drawings: np.ndarray) -> None:
    whole = np.full((600, 800), 255, np.uint8)
    whole[300 : 300 + SIZE, 500 : 500 + SIZE] = 255 - drawings[0]
    near, far = read_ink(saved(255 - drawings[0], "PNG"), 104), read_ink(saved(whole, "PNG"), 104)
    assert likeness(near, far) > 0.9
    rows, columns = (np.flatnonzero(far.any(axis)) for axis in (1, 0))
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    assert longer == pytest.approx(LONGER_SIDE * 104, abs=6)


def test_two_valued_pictures_of_the_right_size_stay(drawings: np.ndarray) -> None:
    black = np.where(drawings[1] > 127, 255, 0).astype(np.uint8)
    assert np.array_equal(read_ink(saved(255 - black, "PNG"), SIZE), black)
