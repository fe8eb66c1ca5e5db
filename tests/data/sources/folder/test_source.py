"""Folders of the user's own."""

import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.dataset import ROLES
from data.errors import DataError
from data.sources.table import load
from data.split import split
from tests.data.conftest import write_folder


def test_reads_the_layout(scribbles: Path) -> None:
    dataset = load(str(scribbles))
    assert dataset.name == scribbles.name
    assert dataset.drawings.alphabet_names == tuple(f"alphabet{i}" for i in range(5))
    assert dataset.drawings.character_names[0] == "alphabet0/character00"
    assert len(dataset.drawings) == 24 * 7
    assert {role: len(dataset.alphabets[role]) for role in ROLES} == {
        "train": 3,
        "validation": 1,
        "test": 1,
    }
    assert "alphabet4" in dataset.alphabets["train"]  # too few characters to be scored on


def test_what_does_not_belong_is_left_out(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root")
    before = load(str(root)).digest
    shutil.copytree(root / "alphabet1", root / "__MACOSX" / "character00")
    shutil.copytree(root / "alphabet1", root / ".hidden")
    (root / "README.txt").write_text("read me")
    (root / "alphabet1" / "character00" / "Thumbs.db").write_bytes(b"x")
    (root / "alphabet1" / "character00" / ".hidden.png").write_bytes(b"x")
    (root / "empty" / "character00").mkdir(parents=True)
    assert load(str(root)).digest == before


def test_a_changed_picture_changes_the_digest(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root")
    before = load(str(root)).digest
    character = root / "alphabet1" / "character00"
    shutil.copy(root / "alphabet2" / "character00" / "01.png", character / "01.png")
    assert load(str(root)).digest != before


@pytest.mark.parametrize(
    ("characters", "drawers", "said"),
    [
        ((5, 5), 3, "2 alphabets with images enough; at least 3 are needed"),
        ((5, 5, 1), 3, r"2 alphabets .*\n  1 alphabet left out, without the 2 char.*: alphabet2"),
        (
            (5, 5, 5),
            1,
            r"0 alphabets .*\n  3 alphabets left out, .* of 2 drawings .*: alphabet0, a",
        ),
        ((12,), 1, r"0 characters of a .*\n  12 characters left out, without .*: character00, c"),
        ((11,), 3, "11 characters of a single alphabet; at least 12"),
        ((5, 4, 4), 3, "1 alphabets have at least 5 characters; 2 such"),
    ],
)
def test_too_little_is_refused_with_numbers(
    tmp_path: Path, characters: tuple[int, ...], drawers: int, said: str
) -> None:
    root = write_folder(tmp_path / "root", characters, drawers)
    with pytest.raises(DataError, match=said):
        load(str(root))


def test_an_unreadable_image_is_named(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root", (5, 5, 5), 2)
    bad = root / "alphabet1" / "character00" / "02.png"
    bad.write_bytes(bad.read_bytes()[:50])
    with pytest.raises(DataError, match=r"alphabet1.character00.02\.png"):
        load(str(root))


def test_drawings_are_at_omniglots_size(scribbles: Path) -> None:
    assert load(str(scribbles)).drawings.ink.shape[1:] == torch.Size([105, 105])


def omniglot_like(root: Path, drawers: tuple[int, ...] = (1, 2, 5)) -> Path:
    """Write black and white drawings of Omniglot's size and with names like its."""
    for a in range(3):
        for c in range(6):
            folder = root / f"Alphabet_{a}" / f"character{c + 1:02}"
            folder.mkdir(parents=True)
            for d in drawers:
                ink = np.zeros((105, 105), bool)
                ink[10 + 3 * c : 20 + 3 * c, 10 + d : 90] = True
                ink[20:80, 10 + 5 * a : 15 + 5 * a] = True
                Image.fromarray(~ink).save(folder / f"{a:02}{c:02}_{d:02}.png")
    return root


def test_a_folder_like_omniglot_is_what_it_has_always_been(tmp_path: Path, own_cache: Path) -> None:
    """Studies remember this digest, of the first version that read folders."""
    dataset = load(str(omniglot_like(tmp_path / "root")))
    assert dataset.digest == "8241371003bbec446ce60882aff5fc87aa8eaa96da2c3237656cf34a108a2096"
    assert dataset.alphabets["train"] == ("Alphabet_2",)
    assert dataset.alphabets["validation"] == ("Alphabet_0",)
    assert torch.unique(dataset.drawings.drawer).tolist() == [1, 2, 5]


def test_where_a_folder_lies_and_how_it_is_named_is_not_in_the_digest(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_folder(tmp_path / "root")
    before = load(str(root))
    monkeypatch.chdir(tmp_path)
    for way in ("root", "./root", "root/", str(root)):
        assert load(way).digest == before.digest
    (tmp_path / "other").mkdir()
    root.rename(tmp_path / "other" / "name")
    for way in ("other/name", "other"):
        after = load(way)
        assert after.digest == before.digest
        assert after.alphabets == before.alphabets


def test_normal_forms_of_names_are_one_data_set(tmp_path: Path, own_cache: Path) -> None:
    found = []
    for form in ("NFC", "NFD"):
        root = write_folder(tmp_path / form)
        for folder in sorted(root.iterdir()):
            for inner in sorted(folder.iterdir()):
                inner.rename(folder / unicodedata.normalize(form, f"{inner.name} ë"))
            folder.rename(root / unicodedata.normalize(form, f"é {folder.name}"))
        found.append(load(str(root)))
    assert unicodedata.normalize("NFC", "é alphabet0") in found[0].drawings.alphabet_names
    assert found[0].digest == found[1].digest
    assert found[0].alphabets == found[1].alphabets


def test_names_of_any_bytes_are_read(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root")
    try:
        os.rename(root / "alphabet1", os.fsencode(root) + b"/\xe9\xff")
    except OSError:
        pytest.skip("this file system takes text alone")
    dataset = load(str(root))
    assert r"\xe9\xff" in dataset.drawings.alphabet_names
    assert len(dataset.drawings) == 24 * 7
    assert load(str(root)).digest == dataset.digest


def test_links_to_elsewhere_are_pictures_like_others(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root")
    before = load(str(root)).digest
    store = tmp_path / "store"
    store.mkdir()
    for i, file in enumerate(sorted(root.rglob("*.png"))):
        file.rename(store / f"{i}.bin")
        file.symlink_to(store / f"{i}.bin")
    (root / "alphabet0" / "again").symlink_to(root)
    dataset = load(str(root))
    assert dataset.digest == before
    assert dataset.own is not None
    assert any("again" in remark for remark in dataset.own.remarks)


def test_one_alphabet_is_split_by_characters(tmp_path: Path, own_cache: Path) -> None:
    wrapped = write_folder(tmp_path / "root", (16,))
    dataset, bare = load(str(wrapped)), load(str(wrapped / "alphabet0"))
    assert dataset.digest == bare.digest
    parts = split(bare)
    characters = [
        {bare.drawings.character_names[c].partition("/")[2] for c in part.character.tolist()}
        for part in (parts.train, parts.validation, parts.test)
    ]
    assert [*map(len, characters)] == [6, 5, 5]
    assert len(set.union(*characters)) == 16


def test_uneven_sets_work(tmp_path: Path, own_cache: Path) -> None:
    root = write_folder(tmp_path / "root", (5, 5, 5), 6)
    favourite = root / "alphabet0" / "character00"
    for extra in range(30):
        shutil.copy(favourite / "01.png", favourite / f"more {extra}.png")
    dataset = load(str(root))
    for part in vars(split(dataset)).values():
        assert part.character.bincount()[part.character.unique()].min() == 6


def test_drawers_of_the_names_are_shared_out_and_of_ranks_are_not(
    tmp_path: Path, own_cache: Path
) -> None:
    root = omniglot_like(tmp_path / "root", tuple(range(1, 21)))
    named, ranked = load(str(root)), load(str(root), drawer_names="rank")
    assert named.drawers["train"] == tuple(range(1, 13))
    assert named.drawers["validation"] == tuple(range(13, 17))
    assert set(ranked.drawers.values()) == {tuple(range(1, 21))}
    assert named.digest == ranked.digest
    for dataset, said in (
        (named, "numbers at the ends of the names"),
        (ranked, "not in the names"),
    ):
        assert dataset.own is not None
        assert any(said in remark for remark in dataset.own.remarks)


def test_progress_is_told_once_for_each_picture_and_not_from_the_cache(
    tmp_path: Path, own_cache: Path
) -> None:
    root = write_folder(tmp_path / "root", (5, 5, 5), 2)
    told: list[tuple[int, int]] = []
    for _ in range(2):
        load(str(root), progress=lambda done, total: told.append((done, total)))
        assert told == [(i, 30) for i in range(1, 31)]
