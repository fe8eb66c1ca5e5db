"""Pictures of characters as people have them."""

import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageDraw, ImageFilter, features

from data.errors import DataError
from data.images.decode import decode_grey
from data.images.formats import format_of
from data.images.ink import read_ink
from tests.data.conftest import damaged, fuzz_examples


def cross(size: tuple[int, int] = (200, 200), stroke: int = 8) -> Image.Image:
    image = Image.new("L", size, 255)
    pen = ImageDraw.Draw(image)
    width, height = size
    pen.line((width * 0.25, height * 0.3, width * 0.75, height * 0.7), 0, stroke)
    pen.line((width * 0.75, height * 0.3, width * 0.25, height * 0.7), 0, stroke)
    return image


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    a, b = one.ravel().astype(float), other.ravel().astype(float)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


CLEAN = read_ink(saved(cross()), 105)
FORMS = ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"]
FORMS += ["JPEG2000"] if features.check("jpg_2000") else []
FORMS += ["AVIF"] if features.check("avif") else []


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


@pytest.mark.parametrize("form", FORMS)
def test_every_allowed_format(form: str) -> None:
    content = saved(cross(), form)
    assert format_of(content[:32]) == form
    assert likeness(read_ink(content, 105), CLEAN) > 0.97


def test_photographs_of_iphones() -> None:
    heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    heif.from_pillow(cross((200, 100)).convert("RGB")).save(out)
    assert format_of(out.getvalue()[:32]) == "HEIF"
    assert likeness(read_ink(out.getvalue(), 105), read_ink(saved(cross((200, 100))), 105)) > 0.97


def test_light_on_dark() -> None:
    dark = Image.eval(cross(), lambda value: 255 - value)
    assert np.array_equal(read_ink(saved(dark), 105), CLEAN)


ORIENTATIONS = [
    None,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "F", "CMYK"])
def test_cameras_tell_which_way_is_up(orientation: int, mode: str) -> None:
    values = np.zeros((30, 50), np.uint8)
    values[3:9, 5:40] = values[3:25, 5:12] = 255
    lying = Image.fromarray(values)
    how = ORIENTATIONS[orientation - 1]
    upright = np.asarray(lying if how is None else lying.transpose(how))
    if mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16) * 257)
    else:
        image = lying.convert(mode)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    forms = {"F": ["TIFF"], "CMYK": ["TIFF"], "RGB": ["TIFF", "PNG", "JPEG", "WEBP"]}
    for form in forms.get(mode, ["TIFF", "PNG"]):
        read = decode_grey(saved(image, form, exif=exif), form)
        assert read.shape == upright.shape
        assert ((read > 127) == (upright > 127)).all()


def test_a_damaged_note_of_the_camera_does_not_matter() -> None:
    photo = saved(cross(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    with warnings.catch_warnings(action="error"):  # it is not told either
        assert likeness(read_ink(photo, 105), CLEAN) > 0.97


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

    @pytest.mark.parametrize(
        "content", [b"", b"no image", saved(cross(), "PPM"), saved(cross())[:60]]
    )
    def test_tells_of_the_file_and_not_of_the_program(self, content: bytes) -> None:
        with pytest.raises(DataError, match=r"^my drawing: cannot be read as an image") as caught:
            decode_grey(content, "my drawing")
        assert "_io" not in str(caught.value)

    @pytest.mark.parametrize("brand", [b"heic", b"mif1", b"msf1"])
    def test_a_format_that_is_not_read_here_with_its_cure(
        self, brand: bytes, without_heif: None
    ) -> None:
        content = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(100)
        with pytest.raises(DataError, match=r"holiday\.jpg: .*HEIF; pip install pillow-heif"):
            decode_grey(content, "holiday.jpg")

    def test_names_that_cannot_be_printed(self) -> None:
        with pytest.raises(DataError, match=r"^caf\\xe9\\x1b\.png: cannot be read") as caught:
            decode_grey(b"no image", os.fsdecode(b"caf\xe9\x1b.png"))
        assert str(caught.value).encode()

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
    @pytest.mark.timeout(10)
    def test_pipes_are_never_opened(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(DataError, match=r"pipe\.png: cannot be read: it is a pipe"):
            read_ink(tmp_path / "pipe.png", 35)
        with pytest.raises(DataError, match="it is a folder"):
            read_ink(tmp_path, 35)


DEEP = Image.fromarray(np.asarray(cross((40, 40), 3)).astype(np.float32) / 255)
SEEDS = [saved(cross((40, 40), 3), form) for form in FORMS]
SEEDS += [saved(cross((40, 40), 3).convert(mode)) for mode in ("1", "P", "LA", "RGBA")]
SEEDS += [
    saved(DEEP, "TIFF"),
    saved(DEEP.convert("I"), "TIFF"),
    saved(cross((9, 9)), transparency=0),
]


@settings(max_examples=fuzz_examples(), suppress_health_check=list(HealthCheck))
@given(st.one_of(damaged(SEEDS), st.binary(max_size=200)))
@pytest.mark.filterwarnings("ignore")
def test_fuzz_gives_ink_or_a_data_error(content: bytes) -> None:
    try:
        ink = read_ink(content, 35, "fuzz")
    except DataError:
        return
    assert ink.shape == (35, 35)
    assert ink.dtype == np.uint8
