"""Folders of the user's own."""

import shutil
from pathlib import Path

import pytest
import torch

from data.dataset import ROLES
from data.errors import DataError
from data.sources.folder import drawers_of, share_alphabets, share_drawers
from data.sources.table import load
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
    elsewhere = write_folder(tmp_path / "elsewhere", (2,))
    (root / "alphabet9").symlink_to(elsewhere / "alphabet0")
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
        ((5, 5), 3, "2 alphabets with images; at least 3 are needed"),
        ((5, 5, 1), 3, "1 character with images; at least 2"),
        ((5, 5, 5), 1, "1 drawing; at least 2"),
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


def test_drawers_from_names_or_ranks() -> None:
    def named(*names: str) -> list[int]:
        return drawers_of([Path(name) for name in names])

    assert named("0001_03.png", "0001_20.png") == [3, 20]
    assert named("a_03.png", "b.png") == [1, 2]
    assert named("a_03.png", "b_03.png") == [1, 2]
    assert named("x.png", "y.jpg", "z.png") == [1, 2, 3]


@pytest.mark.parametrize("count", [3, 4, 5, 10, 37])
def test_alphabets_are_shared_out_whatever_their_order(count: int) -> None:
    names = [f"name{i}" for i in range(count)]
    shares = share_alphabets(dict.fromkeys(names, 5))
    assert shares == share_alphabets(dict.fromkeys(reversed(names), 5))
    each = max(1, round(0.2 * count))
    assert (len(shares["validation"]), len(shares["test"])) == (each, each)
    assert sorted(sum(shares.values(), ())) == sorted(names)


@pytest.mark.parametrize("count", [6, 7, 10, 20])
def test_drawers_are_shared_out(count: int) -> None:
    drawers = list(range(1, count + 1))
    shares = share_drawers(drawers)
    assert [*shares["train"], *shares["validation"], *shares["test"]] == drawers
    assert min(map(len, shares.values())) >= 2


def test_few_drawers_are_shared_by_all_roles() -> None:
    assert set(share_drawers([1, 2, 5]).values()) == {(1, 2, 5)}


def test_drawings_are_at_omniglots_size(scribbles: Path) -> None:
    assert load(str(scribbles)).drawings.ink.shape[1:] == torch.Size([105, 105])
