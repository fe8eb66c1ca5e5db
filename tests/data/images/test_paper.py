import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data.images.paper import LEAST_CONTRAST, SMALL, contrast
from tests.synthetic import synthetic

SIDE = 160


def sheet(ink: float = 120, grain: float = 2, seed: int = 0) -> np.ndarray:
    """Return a grey picture ``[SIDE, SIDE]``: grainy paper with an upright bar 8 pixels wide."""
    random = np.random.default_rng(seed)
    grey = 200 + grain * random.standard_normal((SIDE, SIDE))
    grey[40:120, 76:84] -= ink
    return np.clip(grey, 0, 255).astype(np.uint8)


BAR = np.zeros((SIDE, SIDE), bool)
BAR[42:118, 78:82] = True
NEAR = np.zeros((SIDE, SIDE), bool)
NEAR[34:126, 70:90] = True


def assert_is_the_bar(found: np.ndarray) -> None:
    assert found.shape == (SIDE, SIDE)
    assert 0 <= found.min() <= found.max() <= 1
    assert found[BAR].min() > 0.6
    assert found[~NEAR].max() < 0.3


def test_ink_stands_out_from_its_paper() -> None:
    assert_is_the_bar(contrast(sheet()))


def test_light_ink_on_dark_paper_is_ink() -> None:
    assert_is_the_bar(contrast(255 - sheet()))


@given(st.floats(0.3, 1), st.booleans())
def test_a_shadow_takes_nothing_from_it(light: float, sharp: bool) -> None:
    shade = np.ones(SIDE)
    shade[: SIDE // 2] = light
    if not sharp:
        shade = np.linspace(light, 1, SIDE)
    assert_is_the_bar(contrast((sheet() * shade[:, None]).astype(np.uint8)))


@pytest.mark.parametrize("grain", [0.0, 2.0, 6.0])
def test_an_empty_sheet_is_all_zero(grain: float) -> None:
    assert not contrast(sheet(ink=0, grain=grain)).any()


def test_the_least_contrast_that_counts() -> None:
    flat = np.full((SIDE, SIDE), 200, np.uint8)
    for darker, seen in (
        (int(LEAST_CONTRAST * 255) - 1, False),
        (int(LEAST_CONTRAST * 255) + 1, True),
    ):
        picture = flat.copy()
        picture[BAR] -= darker
        assert bool(contrast(picture).any()) is seen


def test_where_two_values_are_even_the_edge_tells_the_paper() -> None:
    bold = np.full((SIDE, SIDE), 255, np.uint8)
    bold[10:-10, 10:-10] = 0
    assert contrast(bold)[SIDE // 2, SIDE // 2] == 1
    assert contrast(255 - bold)[SIDE // 2, SIDE // 2] == 1


@pytest.mark.parametrize("side", [16, 28, SMALL])
def test_a_small_picture_is_of_a_character_alone(side: int) -> None:
    """As patterns that fill their frame: nothing in it is a sheet, a desk or a shadow."""
    drawings = synthetic((6,), drawers=4).ink.numpy()
    grey = [np.asarray(Image.fromarray(255 - ink).resize((side, side))) for ink in drawings]
    assert all(contrast(each).any() for each in grey)
