"""Values, palettes and alpha of all kinds, read as the drawing that they hold."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from data.images.decode import decode_grey
from data.images.ink import read_ink
from data.images.levels import FAINT

SIDE = 120


def cross() -> np.ndarray:
    image = Image.new("L", (SIDE, SIDE), 255)
    pen = ImageDraw.Draw(image)
    pen.line((30, 40, 90, 80), 0, 7)
    pen.line((90, 40, 45, 95), 0, 7)
    return np.asarray(image)


PAPER = cross()  # 255 = paper
MASK = (PAPER < 128).astype(np.uint8)  # 1 = ink
INK = Image.fromarray(255 - PAPER)


def saved(image: np.ndarray | Image.Image, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, form, **options)
    return out.getvalue()


CLEAN = read_ink(saved(PAPER), 35)


def assert_reads(content: bytes) -> None:
    """The picture is read as the cross is that was drawn dark on light in eight bits."""
    ink = read_ink(content, 35).ravel().astype(float)
    clean = CLEAN.ravel().astype(float)
    assert ink.any()
    assert ink @ clean / np.sqrt((ink @ ink) * (clean @ clean)) > 0.98


def span(grey: np.ndarray) -> int:
    return int(grey.max()) - int(grey.min())


@pytest.mark.parametrize(
    ("scale", "shift"),
    [(1, 0), (2, -1), (255, 0), (65535, 0), (0.2, 0.4), (1e-3, 0), (1e-3, 0.5), (3, -2), (1e7, 0)],
)
def test_floats_of_any_range(scale: float, shift: float) -> None:
    values = (PAPER / 255 * scale + shift).astype(np.float32)
    assert_reads(saved(values, "TIFF"))
    assert_reads(saved(2 * shift + scale - values, "TIFF"))  # light on dark


def test_floats_that_are_no_numbers() -> None:
    values = (PAPER / 255).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    grey = decode_grey(saved(values, "TIFF"), "nan")
    assert np.array_equal(grey[1:], PAPER[1:])
    for nothing in (np.nan, np.inf):
        assert span(decode_grey(saved(np.full((9, 9), nothing, np.float32), "TIFF"), "none")) == 0


@pytest.mark.parametrize("top", [255, 600, 1023, 3000, 16000, 65535])
@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_deep_values_of_any_depth(top: int, kind: type) -> None:
    values = (PAPER / 255 * top).astype(kind)
    assert_reads(saved(values, "TIFF"))
    if kind is np.uint16:
        assert_reads(saved(values))


def test_a_narrow_window_of_deep_values() -> None:
    assert_reads(saved((PAPER / 255 * 300 + 40000).astype(np.uint16)))
    assert_reads(saved((PAPER.astype(np.int32) - 400), "TIFF"))


@pytest.mark.parametrize("top", [1, 2, 9, 20])
@pytest.mark.parametrize("mode", ["L", "P", "I", "I;16", "RGB"])
def test_masks_of_small_numbers(top: int, mode: str) -> None:
    mask = MASK * top
    if mode == "P":
        image = Image.frombytes("P", mask.shape[::-1], mask.tobytes())
        image.putpalette([value for i in range(256) for value in (i, i, i)])
    elif mode in ("I", "I;16"):
        image = Image.fromarray(mask.astype(np.int32 if mode == "I" else np.uint16))
    else:
        image = Image.fromarray(mask).convert(mode)
    assert_reads(saved(image, "TIFF"))


@pytest.mark.parametrize(
    "palette",
    [
        [0, 0, 0] * 256,  # says nothing: the indices are labels
        [0, 0, 0, 128, 0, 0],  # labels in their usual colours
        [255, 255, 255, 10, 20, 90],
        [255, 255, 255, 255, 255, 0],  # yellow on white
        [0, 128, 0, 251, 0, 0],  # as light as each other
    ],
)
def test_palettes_by_their_colours_or_as_labels(palette: list[int]) -> None:
    image = Image.frombytes("P", (SIDE, SIDE), MASK.tobytes())
    image.putpalette(palette)
    assert_reads(saved(image))
    if any(palette):
        assert_reads(saved(image.convert("RGB")))


INKS = [(0, 0, 0), (255, 255, 255), (255, 255, 0), (255, 0, 0), (128, 128, 128), (235, 235, 235)]


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "GIF", "WEBP"])
def test_any_ink_on_a_transparent_ground(ink: tuple[int, int, int], mode: str) -> None:
    image = Image.merge("RGBA", [*(Image.new("L", INK.size, value) for value in ink), INK])
    if mode == "LA":
        assert_reads(saved(image.convert("LA")))
    elif mode in ("P", "GIF"):
        palette = Image.frombytes("P", INK.size, MASK.tobytes())
        palette.putpalette([*ink, *ink])
        assert_reads(saved(palette, "PNG" if mode == "P" else "GIF", transparency=0))
    else:
        assert_reads(saved(image, "PNG" if mode == "RGBA" else mode))


def test_ink_of_many_colours_on_a_transparent_ground() -> None:
    hues = np.linspace(0, 255, SIDE).astype(np.uint8)[None].repeat(SIDE, 0)
    image = Image.merge("HSV", [Image.fromarray(hues), *[Image.new("L", INK.size, 255)] * 2])
    image = image.convert("RGB")
    image.putalpha(INK)
    assert span(decode_grey(saved(image), "hues")) > 200
    assert read_ink(saved(image), 35).any()


@pytest.mark.parametrize("alpha", [0, 1, 128, 255])
def test_alpha_that_is_the_same_everywhere_is_ignored(alpha: int) -> None:
    image = Image.fromarray(PAPER).convert("RGB")
    image.putalpha(alpha)
    assert np.array_equal(decode_grey(saved(image), "useless"), PAPER)


def test_alpha_that_is_nearly_opaque_adds_nothing() -> None:
    alpha = np.random.default_rng(0).integers(245, 256, PAPER.shape).astype(np.uint8)
    for paper, blank in ((PAPER, False), (np.full_like(PAPER, 255), True)):
        image = Image.merge("LA", [Image.fromarray(paper), Image.fromarray(alpha)])
        if blank:
            assert span(decode_grey(saved(image), "blank")) < FAINT / 2
        else:
            assert_reads(saved(image))


def test_sheets_cut_out_and_stencils() -> None:
    corners = Image.new("L", INK.size, 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, SIDE - 1, SIDE - 1), 30, 255)
    for sheet in (Image.fromarray(PAPER), ImageOps.invert(Image.fromarray(PAPER))):
        image = Image.merge("LA", [sheet, corners])
        assert_reads(saved(image))
        assert len(np.unique(decode_grey(saved(image), "corners"))) == 2  # they are gone
    assert_reads(saved(Image.merge("LA", [Image.new("L", INK.size, 255), Image.fromarray(PAPER)])))


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16"])
@pytest.mark.parametrize("key", ["ink", "paper"])
def test_one_colour_stands_for_nothing(mode: str, key: str) -> None:
    if mode == "I;16":
        image, white = Image.fromarray(PAPER.astype(np.uint16) * 257), 65535
    else:
        image, white = Image.fromarray(PAPER).convert(mode), 1 if mode == "1" else 255
    value = white if key == "paper" else 0
    assert_reads(saved(image, transparency=(value,) * 3 if mode == "RGB" else value))


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr", "HSV"])
def test_other_colour_spaces(mode: str) -> None:
    grey = Image.fromarray(PAPER)
    if mode == "LAB":
        image = Image.merge("LAB", [grey, *[Image.new("L", grey.size, 0)] * 2])
    else:
        image = grey.convert("RGB").convert(mode)
    if mode == "CMYK":
        assert_reads(saved(image, "JPEG"))
    if mode == "HSV":  # no format holds it; what is read is RGB
        image = image.convert("RGB")
    assert np.array_equal(decode_grey(saved(image, "TIFF"), mode), PAPER)


@pytest.mark.parametrize("form", ["TIFF", "GIF", "PNG", "WEBP", "MPO"])
def test_the_first_of_several_frames(form: str) -> None:
    other = [Image.new("L", INK.size, 255)]
    assert_reads(saved(Image.fromarray(PAPER), form, save_all=True, append_images=other))


@pytest.mark.parametrize("low", [32, 100, 200, 250])
def test_eight_bits_stay_as_they_are(low: int) -> None:
    values = np.random.default_rng(0).integers(0, low + 1, (40, 40)).astype(np.uint8)
    values[0, 0] = low
    for form in ("PNG", "BMP", "TIFF"):
        assert np.array_equal(decode_grey(saved(values, form), "as it is"), values)


def test_photographs_stay_as_they_are() -> None:
    noise = np.random.default_rng(0).normal(0, 3, PAPER.shape)
    for light in (0.05, 0.5, 1.0):  # a dark photograph is no mask
        photo = saved(np.clip(PAPER * light + noise, 0, 255).astype(np.uint8), "JPEG")
        assert np.array_equal(
            decode_grey(photo, "photo"), np.asarray(Image.open(io.BytesIO(photo)))
        )


@pytest.mark.parametrize("value", [0, 1, 9, 128, 255])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.float32])
def test_what_is_constant_stays_so(value: int, kind: type) -> None:
    assert span(decode_grey(saved(np.full((30, 30), value, kind), "TIFF"), "flat")) == 0
    assert span(decode_grey(saved(np.full((1, 1), value, kind), "TIFF"), "a pixel")) == 0


@pytest.mark.parametrize(
    ("paper", "noise", "kind"),
    [(60000, 300, np.uint16), (600, 8, np.uint16), (3, 1, np.uint8), (0.8, 0.01, np.float32)],
)
def test_the_noise_of_an_empty_sheet_is_not_stretched(
    paper: float, noise: float, kind: Any
) -> None:
    values = np.random.default_rng(0).normal(paper, noise, (200, 200))
    assert span(decode_grey(saved(np.clip(values, 0, None).astype(kind), "TIFF"), "x")) < FAINT
