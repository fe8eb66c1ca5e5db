"""The support and the queries of a classification, from folders as people have them."""

import logging
import os
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from data.errors import DataError
from data.images.support import find_queries, find_support

NFC, NFD = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")


def draw(file: Path, form: str | None = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), 255).save(file, form)
    return file


@pytest.fixture
def support(tmp_path: Path) -> Path:
    folder = tmp_path / "support"
    draw(folder / "bar.png")
    draw(folder / "ring" / "1.png")
    draw(folder / "ring" / "2.jpg")
    return folder


def test_classes_are_files_and_folders(support: Path) -> None:
    assert find_support(support) == {
        "bar": [support / "bar.png"],
        "ring": [support / "ring" / "1.png", support / "ring" / "2.jpg"],
    }


def test_what_systems_leave_is_no_class(support: Path) -> None:
    for name in ("__MACOSX", "@eaDir", ".ipynb_checkpoints"):
        draw(support / name / "a.png")
        draw(support / "ring" / name / "a.png")
    (support / "Thumbs.db").write_bytes(b"x")
    (support / "ring" / "desktop.ini").write_bytes(b"x")
    (support / "empty" / "within").mkdir(parents=True)
    (support / "ring" / "notes.txt").write_text("hello")
    assert list(find_support(support)) == ["bar", "ring"]
    assert len(find_support(support)["ring"]) == 2


def test_a_class_whose_images_are_not_read_is_named(support: Path, without_heif: None) -> None:
    (support / "cross").mkdir()
    for i in range(5):
        (support / "cross" / f"IMG_{i}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(
        DataError, match="cross: no image for this class; 5 left out, HEIF; pip install pillow-heif"
    ):
        find_support(support)


def test_a_level_too_many(support: Path) -> None:
    draw(support / "latin" / "a" / "1.png")
    with pytest.raises(DataError, match="latin: no image for this class; 1 folder within is not"):
        find_support(support)


def test_what_is_left_out_is_said(
    support: Path, without_heif: None, caplog: pytest.LogCaptureFixture
) -> None:
    (support / "ring" / "3.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (support / "ring" / "4.png").symlink_to(support / "gone")
    (support / "loop").symlink_to(support)
    (support / "notes.txt").write_text("hello")
    with caplog.at_level(logging.WARNING):
        assert list(find_support(support)) == ["bar", "ring"]
        assert len(find_queries([support])) == 3
    assert caplog.text.count("1 left out, HEIF; pip install pillow-heif") == 2
    assert caplog.text.count("links to nothing") == 2
    assert caplog.text.count("links in a circle") == 2
    assert "notes.txt" not in caplog.text


@pytest.mark.parametrize("form", [NFC, NFD])
def test_names_are_in_one_form(support: Path, form: str) -> None:
    draw(support / f"{form}.png")
    draw(support / f"{form}2" / "1.png")
    assert list(find_support(support)) == ["bar", "ring", NFC, f"{NFC}2"]


def test_a_class_that_is_there_twice(support: Path) -> None:
    draw(support / f"{NFC}.png")
    draw(support / f"{NFD}.jpg")
    if len(list(support.iterdir())) == 3:
        pytest.skip("this file system knows one form only")
    with pytest.raises(DataError, match=f"class {NFC} is there twice"):
        find_support(support)


def test_names_of_any_bytes(support: Path) -> None:
    try:
        file = draw(support / os.fsdecode(b"caf\xe9.png"))
    except OSError:
        pytest.skip("this file system takes no such names")
    assert find_support(support)[r"caf\xe9"] == [file]


def test_links_are_followed(support: Path, tmp_path: Path) -> None:
    store = draw(tmp_path / "store" / "sha", "PNG")
    (support / "cross.png").symlink_to(store)
    (support / "disc").symlink_to(store.parent)
    found = find_support(support)
    assert found["cross"] == [support / "cross.png"]
    assert found["disc"] == [support / "disc" / "sha"]


def test_no_support(tmp_path: Path, support: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no image in it; allowed are PNG"):
        find_support(tmp_path / "empty")
    for path in (tmp_path / "gone", support / "bar.png"):
        with pytest.raises(DataError, match=f"{path.name} is no folder"):
            find_support(path)


def test_queries_are_files_and_folders(support: Path, tmp_path: Path) -> None:
    draw(support / "@eaDir" / "a.png")
    (support / "empty").mkdir()
    (support / "notes.txt").write_text("hello")
    gone = tmp_path / "gone.png"
    inside = [support / "bar.png", support / "ring" / "1.png", support / "ring" / "2.jpg"]
    assert find_queries([gone, support, inside[0]]) == [gone, *inside, inside[0]]


def test_a_folder_without_queries_is_named(tmp_path: Path, without_heif: None) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DataError, match="pictures: no image in it; allowed are PNG"):
        find_queries([tmp_path / "pictures"])
    (tmp_path / "pictures" / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match="no image in it; 1 left out, HEIF; pip install pillow-h"):
        find_queries([tmp_path / "pictures"])
