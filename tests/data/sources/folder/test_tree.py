"""Layouts of folders as people have them."""

import os
import unicodedata
from pathlib import Path

import pytest

from data.errors import DataError
from data.images.listing import LOOP
from data.sources.folder.tree import ELSEWHERE, read_tree


def touch(root: Path, *names: str) -> Path:
    """Make files of these names; nothing looks into them here."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


PLAIN = ("greek/alpha/1.png", "greek/alpha/2.png", "greek/beta/1.png", "runes/ur/1.jpg")


def names(root: Path) -> dict[str, dict[str, list[str]]]:
    return {
        alphabet: {character: [file.name for file in files] for character, files in each.items()}
        for alphabet, each in read_tree(root).tree.items()
    }


def test_alphabets_and_characters(tmp_path: Path) -> None:
    assert names(touch(tmp_path, *PLAIN)) == {
        "greek": {"alpha": ["1.png", "2.png"], "beta": ["1.png"]},
        "runes": {"ur": ["1.jpg"]},
    }
    assert not read_tree(tmp_path).one_alphabet


@pytest.mark.parametrize("around", ["letters", "letters/all of them"])
def test_folders_around_the_alphabets_are_passed_through(tmp_path: Path, around: str) -> None:
    bare = names(touch(tmp_path / "bare", *PLAIN))
    touch(tmp_path / "wrapped" / around, *PLAIN)
    touch(tmp_path / "wrapped", "README.txt", "__MACOSX/letters/._greek.png")
    assert names(tmp_path / "wrapped") == bare


@pytest.mark.parametrize("around", ["", "letters", "zip/letters"])
def test_characters_alone_are_one_alphabet_of_no_name(tmp_path: Path, around: str) -> None:
    touch(tmp_path / around, "a/1.png", "a/2.png", "b/1.png")
    found = read_tree(tmp_path)
    assert found.one_alphabet
    assert {k: list(v) for k, v in found.tree.items()} == {"": ["a", "b"]}


def test_several_folders_of_alphabets_are_refused_with_their_paths(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{part}/{name}" for part in ("train", "test") for name in PLAIN))
    with pytest.raises(DataError, match="3 folders deep") as caught:
        read_tree(tmp_path)
    for part in ("train", "test"):
        assert str(tmp_path / part) in str(caught.value)
        assert names(tmp_path / part)["greek"]


def test_loose_images_are_refused_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 images lie in the folder itself.*<alphabet>"):
        read_tree(touch(tmp_path, "1.png", "2.png"))


def test_an_empty_folder_says_what_was_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "greek/alpha/1.psd", "greek/alpha/2.psd")
    with pytest.raises(DataError, match="0 images") as caught:
        read_tree(tmp_path)
    assert "2 left out, Photoshop" in str(caught.value)


def test_strays_are_left_out_and_told(tmp_path: Path) -> None:
    touch(tmp_path, *PLAIN, "chart.png", "greek/poster.png")
    found = read_tree(tmp_path)
    assert sum(len(files) for each in found.tree.values() for files in each.values()) == 4
    assert {file.name for file in found.left_out[ELSEWHERE]} == {"chart.png", "poster.png"}


def test_links_are_followed_and_loops_named(tmp_path: Path) -> None:
    store = touch(tmp_path / "store", "0a", "0b")
    root = touch(tmp_path / "root", *PLAIN)
    (root / "runes" / "thorn").mkdir()
    (root / "runes" / "thorn" / "1.png").symlink_to(store / "0a")
    (root / "far").symlink_to(touch(tmp_path / "elsewhere", "x/1.png"))
    (root / "runes" / "up").symlink_to(root)
    found = read_tree(root)
    assert list(found.tree) == ["far", "greek", "runes"]
    assert list(found.tree["runes"]) == ["thorn", "ur"]
    assert [path.name for path in found.left_out[LOOP]] == ["up"]


def test_normal_forms_of_a_name_are_one(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    assert composed != decomposed
    kinds = [
        names(touch(tmp_path / form, f"{form}/{form}/1.png", "f/f/1.png"))
        for form in (composed, decomposed)
    ]
    assert kinds[0] == kinds[1] == {"f": {"f": ["1.png"]}, composed: {composed: ["1.png"]}}
    both = touch(tmp_path / "both", f"a/{composed}/1.png", f"a/{decomposed}/2.png", "b/b/1.png")
    assert names(both)["a"] == {composed: ["1.png", "2.png"]}


def test_any_bytes_are_a_name(tmp_path: Path) -> None:
    for name in (b"\xe9", b"\xff\xfe"):
        folder = os.fsencode(tmp_path) + b"/" + name + b"/" + name
        try:
            os.makedirs(folder)
        except OSError:
            pytest.skip("this file system takes text alone")
        Path(os.fsdecode(folder + b"/" + name + b".png")).write_bytes(b"x")
    found = read_tree(tmp_path)
    assert list(found.tree) == [r"\xe9", r"\xff\xfe"]
    assert all(name.encode() for name in found.tree)
