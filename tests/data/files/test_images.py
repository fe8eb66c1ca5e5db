"""Pictures of characters as people have them."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from data.errors import DataError
from data.files.images import decode_grey
from data.files.ink import read_ink
from tests.data.conftest import damaged, fuzz_examples


def cross(size: tuple[int, int] = (200, 200), stroke: int = 8) -> Image.Image:
    image = Image.new("L", size, 255)
    pen = ImageDraw.Draw(image)
    width, height = size
    pen.line((width * 0.25, height * 0.3, width * 0.75, height * 0.7), 0, stroke)
    pen.line((width * 0.75, height * 0.3, width * 0.25, height * 0.7), 0, stroke)
    return image


def saved(image: Image.Image, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    a, b = one.ravel().astype(float), other.ravel().astype(float)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


CLEAN = read_ink(saved(cross()), 105)


def test_clean_ink_on_clean_paper() -> None:
    assert CLEAN.shape == (105, 105)
    assert CLEAN.dtype == np.uint8
    assert CLEAN.max() == 255
    assert (CLEAN[:20] == 0).all()


def test_a_two_valued_drawing_of_that_size_is_unchanged() -> None:
    ink = np.zeros((105, 105), np.uint8)
    ink[20:80, 50:53] = 255
    ink[0, :30] = 255  # ink may touch the edge
    for mode in ("1", "L", "RGB"):
        picture = Image.fromarray(255 - ink).convert(mode)
        assert np.array_equal(read_ink(saved(picture), 105), ink)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"])
def test_every_allowed_format(form: str) -> None:
    assert likeness(read_ink(saved(cross(), form), 105), CLEAN) > 0.97


def test_light_on_dark() -> None:
    dark = Image.eval(cross(), lambda value: 255 - value)
    assert np.array_equal(read_ink(saved(dark), 105), CLEAN)


def test_transparent_is_white() -> None:
    image = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), mask=Image.eval(cross(), lambda value: 255 - value))
    assert likeness(read_ink(saved(image), 105), CLEAN) > 0.99


def test_sixteen_bits() -> None:
    deep = Image.fromarray(np.asarray(cross()).astype(np.uint16) * 257)
    assert likeness(read_ink(saved(deep), 105), CLEAN) > 0.99


@pytest.mark.parametrize("size", [(1200, 900), (900, 1200), (300, 300)])
def test_a_photograph_under_uneven_light(size: tuple[int, int]) -> None:
    sheet = cross(size, stroke=size[0] // 25).filter(ImageFilter.GaussianBlur(2))
    down, across = np.mgrid[0 : size[1], 0 : size[0]]
    light = 0.45 + 0.5 * (across / size[0]) * (1 - 0.4 * down / size[1])
    random = np.random.default_rng(0)
    grey = (40 + 0.8 * np.asarray(sheet)) * light + random.normal(0, 4, light.shape)
    photo = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    ink = read_ink(saved(photo, "JPEG"), 105)
    clean = read_ink(saved(sheet), 105)
    assert likeness(ink, clean) > 0.9
    assert np.median(ink) == 0
    assert (ink > 60).mean() < 0.2  # the dark side of the sheet has not become ink


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_empty_sheet_has_no_ink(value: int) -> None:
    noisy = np.full((80, 80), value) + np.random.default_rng(0).integers(-4, 5, (80, 80))
    sheet = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    assert not read_ink(saved(sheet), 35).any()


def test_padded_to_a_square_not_stretched() -> None:
    wide = read_ink(saved(cross((300, 100))), 105)
    assert not wide[:35].any()
    assert wide[35:70].any()
    assert not wide[70:].any()


@pytest.mark.parametrize("size", [1, 7, 28, 105, 200])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2), (64, 64), (65, 400)])
def test_any_size_from_any_size(size: int, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    assert read_ink(saved(Image.fromarray(values)), size).shape == (size, size)


def test_thin_strokes_keep_full_ink() -> None:
    assert read_ink(saved(cross((1000, 1000), stroke=2)), 35).max() == 255


@pytest.mark.parametrize("kind", ["path", "file"])
def test_paths_and_files(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "cross.png"
    path.write_bytes(saved(cross()))
    with path.open("rb") as file:
        assert np.array_equal(read_ink(path if kind == "path" else file, 105), CLEAN)


class TestRefused:
    def test_names_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "notes.png").write_text("no image")
        with pytest.raises(DataError, match=r"notes\.png: cannot be read as an image"):
            read_ink(tmp_path / "notes.png", 105)
        with pytest.raises(DataError, match=r"gone\.png: cannot be read"):
            read_ink(tmp_path / "gone.png", 105)

    def test_cut_off(self) -> None:
        whole = saved(cross())
        with pytest.raises(DataError, match="half"):
            read_ink(whole[: len(whole) // 2], 105, "half")

    def test_too_many_pixels_before_decoding(self) -> None:
        bomb = saved(Image.new("1", (8000, 8000)))
        assert len(bomb) < 200_000
        with pytest.raises(DataError, match="8000 x 8000 pixels"):
            decode_grey(bomb, "bomb")

    def test_other_formats(self) -> None:
        with pytest.raises(DataError, match="allowed are PNG"):
            read_ink(saved(cross(), "PPM"), 105)


SEEDS = [saved(cross((40, 40), 3), form) for form in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")]


@settings(max_examples=fuzz_examples(), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(damaged(SEEDS), st.binary(max_size=200)))
@pytest.mark.filterwarnings("ignore")
def test_fuzz_gives_ink_or_a_data_error(content: bytes) -> None:
    try:
        ink = read_ink(content, 35, "fuzz")
    except DataError:
        return
    assert ink.shape == (35, 35)
    assert ink.dtype == np.uint8
