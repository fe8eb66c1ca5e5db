from dataclasses import replace

from data.dataset import PAPER_DRAWERS, ROLES, Dataset
from data.split import held_out, split
from tests.synthetic import synthetic


def dataset() -> Dataset:
    drawings = synthetic((3, 3, 3, 3), drawers=20)
    return Dataset(
        name="made up",
        drawings=drawings,
        alphabets={"train": ("a", "d"), "validation": ("b",), "test": ("c",)},
        drawers=PAPER_DRAWERS,
        digest=drawings.digest(),
    )


def test_no_alphabet_and_no_drawer_is_in_two_roles() -> None:
    parts = split(dataset())
    alphabets = [set(getattr(parts, role).alphabet.tolist()) for role in ROLES]
    assert alphabets == [{0, 3}, {1}, {2}]
    assert set(parts.train.drawer.tolist()) == set(range(1, 13))
    assert set(parts.validation.drawer.tolist()) == set(range(13, 17))
    # The official runs draw on the test alphabets' first drawers.
    assert set(parts.test.drawer.tolist()) == set(range(1, 21))


def test_all_drawers() -> None:
    parts = split(dataset(), "all")
    for role in ROLES:
        assert set(getattr(parts, role).drawer.tolist()) == set(range(1, 21))
    assert len(parts.train) + len(parts.validation) + len(parts.test) == 4 * 3 * 20


def test_the_split_is_the_same_every_time() -> None:
    first, second = split(dataset()), split(dataset())
    for role in ROLES:
        assert getattr(first, role).digest() == getattr(second, role).digest()


def many(characters: tuple[int, ...]) -> Dataset:
    """Return background alphabets of so many characters, and one that validates."""
    drawings = synthetic((*characters, 3), drawers=20)
    names = drawings.alphabet_names
    return replace(
        dataset(),
        drawings=drawings,
        alphabets={"train": names[:-1], "validation": names[-1:], "test": ()},
    )


def test_lakes_split_validates_on_every_fourth_background_alphabet() -> None:
    data = many((3, 2, 3, 3, 3, 3, 3, 3))
    assert held_out(data, way=3) == ("e",)  # the fourth of a, c, d, e, f, g, h
    parts = split(data, by="lake", way=3)
    assert set(parts.validation.alphabet.tolist()) == {4}
    assert set(parts.train.alphabet.tolist()) == {0, 1, 2, 3, 5, 6, 7}
    assert set(parts.train.drawer.tolist()) == set(range(1, 13))
    assert set(parts.validation.drawer.tolist()) == set(range(13, 17))
    assert len(parts.test) == 0
    # The fits that are tested train on them as well, and on nothing else.
    whole = split(data).train
    assert set(whole.alphabet.tolist()) == set(range(8))
    assert set(whole.drawer.tolist()) == set(range(1, 13))


def test_of_few_alphabets_the_last_validates() -> None:
    assert held_out(many((3, 3)), way=3) == ("b",)
    assert held_out(many((3, 3, 2)), way=3) == ("b",)
    assert held_out(many((2, 2)), way=3) == ("b",)


def test_omniglots_background_alphabets_that_validate(omniglot: Dataset) -> None:
    expected = ("Armenian", "Braille", "Futurama", "Hebrew", "Latin", "Sanskrit")
    assert held_out(omniglot) == expected
    parts = split(omniglot, "all", "lake")
    names = omniglot.drawings.alphabet_names
    used = {names[i] for part in (parts.train, parts.validation) for i in part.alphabet.unique()}
    assert used == set(omniglot.alphabets["train"])
