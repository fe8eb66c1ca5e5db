"""Who drew what, and which role it takes."""

from pathlib import Path

import pytest

from data.dataset import ROLES, Role
from data.errors import DataError
from data.sources.folder.shares import drawers_of, share_alphabets, share_characters, share_drawers
from data.sources.folder.tree import Tree

ROLE_ALPHABETS: dict[Role, tuple[str, ...]] = {
    "train": ("a", "b"),
    "validation": ("c",),
    "test": ("d",),
}


def tree_of(*characters: list[str]) -> Tree:
    """Return one alphabet with a character of each list of file names."""
    return {"a": {f"c{i}": tuple(map(Path, names)) for i, names in enumerate(characters)}}


def omniglot_like(count: int, drawers: range) -> list[list[str]]:
    return [[f"{c:04}_{d:02}.png" for d in drawers] for c in range(count)]


def test_regular_names_tell_the_drawers() -> None:
    drawers, named = drawers_of(tree_of(*omniglot_like(12, range(3, 9))))
    assert named
    assert all(list(each) == [3, 4, 5, 6, 7, 8] for each in drawers.values())


def test_a_part_of_the_drawers_in_each_character_is_regular_too() -> None:
    some = [[f"x_{d:02}.png" for d in range(1 + c % 4, 21, 4)] for c in range(40)]
    drawers, named = drawers_of(tree_of(*some))
    assert named
    assert list(drawers["a", "c1"]) == [2, 6, 10, 14, 18]


@pytest.mark.parametrize(
    "name",
    [
        lambda c, d: f"IMG_{1234 + 7 * c + d}.jpg",
        lambda c, d: f"20240305_{112300 + 60 * c + 3 * d}.jpg",
        lambda c, d: f"PXL_20240305_{100000 + 100 * c + d}.jpg",
        lambda c, d: f"{'abcdefg'[d]}.png",
        lambda c, d: "scan.png" if d == 0 else f"scan ({d}).png",
    ],
)
def test_a_cameras_names_tell_no_drawers(name) -> None:  # type: ignore[no-untyped-def]
    drawers, named = drawers_of(tree_of(*([name(c, d) for d in range(7)] for c in range(15))))
    assert not named
    assert all(list(each) == list(range(1, 8)) for each in drawers.values())


def test_one_odd_character_does_not_make_regular_names_irregular() -> None:
    tree = tree_of(
        *omniglot_like(12, range(1, 21)), ["a_03.png", "b.png"], ["a_03.png", "b_03.png"]
    )
    drawers, named = drawers_of(tree)
    assert named
    assert list(drawers["a", "c0"]) == list(range(1, 21))
    assert list(drawers["a", "c12"]) == list(drawers["a", "c13"]) == [1, 2]


def test_an_option_decides() -> None:
    camera = tree_of(*([f"IMG_{10 * c + d + 1}.jpg" for d in range(4)] for c in range(12)))
    drawers, named = drawers_of(camera, "names")
    assert named
    assert list(drawers["a", "c2"]) == [21, 22, 23, 24]
    drawers, named = drawers_of(tree_of(*omniglot_like(12, range(3, 9))), "rank")
    assert not named
    assert list(drawers["a", "c0"]) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(
        DataError,
        match=r"^--drawer-names names: .*2 images lie: a\.png, b_03\.png; .*--drawer-names auto",
    ):
        drawers_of(tree_of(["x_01.png", "x_02.png"], ["a.png", "b_03.png"]), "names")
    with pytest.raises(DataError, match=r"where 1 image lies: a\.png"):
        drawers_of(tree_of(["x_01.png", "x_02.png"], ["a.png"]), "names")


@pytest.mark.parametrize("count", [3, 4, 5, 10, 37])
def test_alphabets_are_shared_out_whatever_their_order(count: int) -> None:
    names = [f"name{i}" for i in range(count)]
    shares = share_alphabets(dict.fromkeys(names, 5))
    assert shares == share_alphabets(dict.fromkeys(reversed(names), 5))
    each = max(1, round(0.2 * count))
    assert (len(shares["validation"]), len(shares["test"])) == (each, each)
    assert sorted(sum(shares.values(), ())) == sorted(names)


@pytest.mark.parametrize("count", [12, 13, 40])
def test_a_single_alphabets_characters_are_shared_out(count: int) -> None:
    names = [f"name{i}" for i in range(count)]
    shares = share_characters(names)
    assert shares == share_characters(reversed(names))
    assert sorted(sum(shares.values(), ())) == sorted(names)
    each = max(5, round(0.2 * count))
    assert [len(shares[role]) for role in ROLES] == [count - 2 * each, each, each]


def test_too_small_a_single_alphabet_is_refused() -> None:
    with pytest.raises(DataError, match="11 characters of a single alphabet; at least 12"):
        share_characters(map(str, range(11)))


def drawn(drawers: range, characters: int = 6) -> dict[str, list[frozenset[int]]]:
    return {name: [frozenset(drawers)] * characters for name in "abcd"}


@pytest.mark.parametrize(("count", "each"), [(10, 2), (12, 2), (20, 4), (37, 7)])
def test_drawers_are_shared_out(count: int, each: int) -> None:
    shares = share_drawers(drawn(range(1, count + 1)), ROLE_ALPHABETS)
    assert [*shares["train"], *shares["validation"]] == list(range(1, count + 1 - each))
    assert len(shares["validation"]) == each


@pytest.mark.parametrize("count", [2, 5, 6, 9])
def test_few_drawers_are_shared_by_all_roles(count: int) -> None:
    everyone = tuple(range(1, count + 1))
    assert set(share_drawers(drawn(range(1, count + 1)), ROLE_ALPHABETS).values()) == {everyone}


@pytest.mark.parametrize("alphabet", "abcd")
def test_one_character_with_more_drawings_changes_no_other_share(alphabet: str) -> None:
    uneven = drawn(range(1, 21))
    uneven[alphabet][0] = frozenset(range(1, 61))
    shares, even = (
        share_drawers(uneven, ROLE_ALPHABETS),
        share_drawers(drawn(range(1, 21)), ROLE_ALPHABETS),
    )
    assert shares["validation"] == even["validation"] == (13, 14, 15, 16)
    assert shares["train"] == (*even["train"], *range(21, 61))


@pytest.mark.parametrize("alphabet", "abc")
def test_a_character_that_a_roles_drawers_did_not_draw_makes_all_share_all(alphabet: str) -> None:
    lacking = drawn(range(1, 21))
    lacking[alphabet][0] = frozenset((1, 13) if alphabet == "c" else (1, 17, 18, 19))
    assert set(share_drawers(lacking, ROLE_ALPHABETS).values()) == {tuple(range(1, 21))}
