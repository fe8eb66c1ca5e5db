import pytest

from hpo.results.published import ERRORS, ONE_SHOT, comparable


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("omniglot", "omniglot", True),
        ("omniglot-small1", "omniglot", True),
        ("glyphs", "glyphs", False),
        ("omniglot", "folder", False),  # a folder of one's own may be called so
    ],
)
def test_figures_stand_beside_their_own_data_alone(name: str, source: str, expected: bool) -> None:
    assert comparable({"name": name, "source": source}) is expected


def test_nothing_is_comparable_to_unknown_data() -> None:
    assert not comparable({})


def test_accuracies_and_errors_of_one_system_agree() -> None:
    accuracy = dict(ONE_SHOT)
    assert 100 - dict(ERRORS)["Koch's net"] == accuracy["Koch's net"]
    assert 100 - dict(ERRORS)["people"] == accuracy["humans"]
