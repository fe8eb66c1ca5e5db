"""Sheets of what was read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.errors import DataError
from data.images.ink import read_ink
from data.images.sheet import GAP, MOST, TILE, show_inputs, show_read
from tests.photographs import MILD, photograph, saved

BAR = np.zeros((105, 105), np.uint8)
BAR[20:85, 50:54] = 255


def read(path: Path) -> np.ndarray:
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"
        return np.asarray(sheet.convert("L"))


def test_the_original_stands_beside_what_the_net_sees(tmp_path: Path) -> None:
    query, known = tmp_path / "query.jpg", tmp_path / "bar.png"
    query.write_bytes(photograph(BAR, MILD, np.random.default_rng(0)))
    known.write_bytes(saved(255 - BAR, "PNG"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    show_read({"bar": [known]}, [query, broken], TILE, tmp_path / "show.png")
    sheet = read(tmp_path / "show.png")
    across = GAP + TILE + GAP
    seen = sheet[GAP : GAP + TILE, across : across + TILE]
    assert np.array_equal(255 - seen, read_ink(query, TILE))
    original = sheet[GAP : GAP + TILE, GAP : GAP + TILE]
    photo = np.asarray(Image.open(query).convert("L").resize((TILE, 79), Image.Resampling.BOX))
    assert np.abs(original[13:92].astype(int) - photo).max() <= 1
    assert (sheet[GAP + TILE : GAP + TILE + 12, GAP : GAP + TILE] < 100).any(), "its name"


def test_without_originals(tmp_path: Path) -> None:
    show_inputs([("a", None, BAR), ("b", None, 255 - BAR)], tmp_path / "inputs.png")
    sheet = read(tmp_path / "inputs.png")
    assert np.array_equal(sheet[GAP : GAP + TILE, GAP : GAP + TILE], 255 - BAR)
    show_inputs([], tmp_path / "empty.png")
    read(tmp_path / "empty.png")


@pytest.mark.parametrize("number", [1, MOST, 20 * MOST])
def test_the_sheet_is_bounded_and_says_so(number: int, tmp_path: Path) -> None:
    names = [f"a very long name with no end, {i} \n ქართული 字.jpeg" for i in range(number)]
    show_inputs([(name, 255 - BAR, BAR) for name in names], tmp_path / "sheet.png")
    sheet = read(tmp_path / "sheet.png")
    assert max(sheet.shape) < 6000
    assert (sheet[-12:] < 100).any() == (number > MOST)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none/show\.png cannot be written"):
        show_inputs([("a", None, BAR)], tmp_path / "none/show.png")
    with pytest.raises(DataError, match=r"show\.mp4: no image file to write; allowed are PNG, JP"):
        show_inputs([("a", None, BAR)], tmp_path / "show.mp4")
    assert not list(tmp_path.iterdir())
