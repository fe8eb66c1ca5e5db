from data.dataset import ROLES, Dataset
from data.split import split
from tests.synthetic import synthetic


def dataset() -> Dataset:
    drawings = synthetic((3, 3, 3, 3), drawers=20)
    return Dataset(
        name="made up",
        drawings=drawings,
        alphabets={"train": ("a", "d"), "validation": ("b",), "test": ("c",)},
        drawers={
            "train": tuple(range(1, 13)),
            "validation": tuple(range(13, 17)),
            "test": tuple(range(17, 21)),
        },
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
