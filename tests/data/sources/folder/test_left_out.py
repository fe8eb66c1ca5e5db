"""What a folder holds beside usable drawings: left out and named, or refused."""

import re
import shutil
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from data.errors import DataError
from data.sources.table import load
from tests.data.conftest import write_folder


def blank(file: Path) -> None:
    Image.new("L", (60, 60), 255).save(file)


def test_blank_pictures_are_left_out_counted_and_named(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root")
    for name in ("alphabet1/character00/02.png", "alphabet2/character03/07.png"):
        blank(root / name)
    for _ in range(2):  # read, and from the cache
        dataset = load(str(root))
        assert len(dataset.drawings) == 24 * 7 - 2
        assert bool((dataset.drawings.ink.amax((1, 2)) > 0).all())
        assert dataset.own is not None
        (said,) = (remark for remark in dataset.own.remarks if "blank" in remark)
        assert said.startswith("2 of 168 left out")
        assert "alphabet1/character00/02.png" in said
        assert "alphabet2/character03/07.png" in said


def test_a_mostly_blank_set_stops(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root", (5, 5, 5), 4)
    files = sorted(root.rglob("*.png"))
    for file in files[:31]:
        blank(file)
    with pytest.raises(DataError, match="on 31 of 60 images there is nothing to see") as caught:
        load(str(root))
    assert "and 11 more" in str(caught.value)


def test_what_has_too_little_is_left_out_counted_and_named(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root", (6, 6, 6, 2), 3)
    without = write_folder(tmp_path / "without", (6, 6, 6), 3)
    single, blanked = "alphabet0/character05", "alphabet1/character03"
    for name in ("02", "03"):
        (root / single / f"{name}.png").unlink()
        blank(root / blanked / f"{name}.png")
    (root / "alphabet3" / "character00" / "01.png").unlink()
    (root / "alphabet3" / "character00" / "02.png").unlink()
    for name in (single, blanked):
        shutil.rmtree(without / name)
    for _ in range(2):  # read, and from the cache
        dataset = load(str(root))
        assert dataset.digest == load(str(without)).digest
        assert dataset.alphabets == load(str(without)).alphabets
        assert dataset.own is not None
        assert len(dataset.own.files) == len(dataset.drawings) == 16 * 3
        told = "\n".join(dataset.own.remarks)
        assert "2 of 51 left out, blank: " in told
        assert "2 characters left out, without the 2 drawings that are needed: " in told
        assert f": {single}, {blanked}\n" in told
        assert "1 alphabet left out, without the 2 characters of 2 drawings" in told


def test_a_single_alphabet_loses_what_has_too_little(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root", (14,), 3)
    for name in ("02", "03"):
        blank(root / "alphabet0" / "character03" / f"{name}.png")
        (root / "alphabet0" / "character07" / f"{name}.png").unlink()
    dataset = load(str(root))
    assert len(dataset.drawings) == 12 * 3
    assert dataset.own is not None
    assert all(
        file.parent.name == dataset.drawings.character_names[character].partition("/")[2]
        for file, character in zip(
            dataset.own.files, dataset.drawings.character.tolist(), strict=True
        )
    )
    assert "2 characters left out" in "\n".join(dataset.own.remarks)
    for name in ("02", "03"):
        blank(root / "alphabet0" / "character05" / f"{name}.png")
    with pytest.raises(DataError, match=r"11 characters of a single .*\n  3 characters left out"):
        load(str(root))


def test_folders_of_one_name_in_two_forms_are_read_as_one_and_named(
    tmp_path: Path, own_cache: Path
) -> None:
    root = write_folder(tmp_path / "root", (6, 5, 5), 4)
    forms = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    (root / "alphabet0" / "character00").rename(root / "alphabet0" / forms[0])
    (root / "alphabet0" / "character01").rename(root / "alphabet0" / forms[1])
    dataset = load(str(root))
    if dataset.own is None or len(list((root / "alphabet0").iterdir())) < 6:
        pytest.skip("this file system knows one form alone")
    assert len(dataset.drawings.character_names) == 15
    (told,) = (remark for remark in dataset.own.remarks if "Unicode" in remark)
    assert told.endswith(f"read as one: alphabet0/{forms[0]}")
    (root / "alphabet1").rename(root / forms[0])
    (root / "alphabet2").rename(root / forms[1])
    with pytest.raises(DataError, match="2 alphabets with images enough"):
        load(str(root))


def test_all_unreadable_images_are_named_at_once(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root", (5, 5, 5), 6)
    files = sorted(root.rglob("*.png"))
    for file in files[:23]:
        file.write_bytes(b"no picture")
    with pytest.raises(DataError, match="23 of 90 images cannot be read") as caught:
        load(str(root))
    named = re.findall(r"alphabet\d/character\d\d/\d\d\.png", str(caught.value))
    assert len(set(named)) == 20
    assert "and 3 more" in str(caught.value)


def test_files_are_those_of_the_drawings(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root")
    blank(root / "alphabet1" / "character00" / "02.png")
    dataset = load(str(root))
    assert dataset.own is not None
    drawings = dataset.drawings
    for file, character, drawer in zip(
        dataset.own.files, drawings.character.tolist(), drawings.drawer.tolist(), strict=True
    ):
        assert "/".join(file.parts[-3:-1]) == drawings.character_names[character]
        assert file.stem == f"{drawer:02}"
