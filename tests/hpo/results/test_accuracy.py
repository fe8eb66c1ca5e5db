from typing import Any

import pytest

from hpo.results.accuracy import NET, Accuracy, scopes
from model.evaluation.intervals import interval


def accuracy(**which: Any) -> Accuracy:
    known = {"protocol": "n_way", "system": NET, "title": "", "way": 2, "chance": 0.5}
    return Accuracy.of([0.5, 0.5], trials=4000, **{**known, **which})


WIDE = {"interval": "alphabets", "alphabets": 10, "low": 0.4, "high": 0.65}


@pytest.mark.parametrize(
    ("which", "scope"),
    [
        (WIDE, "alphabets in general"),
        ({}, "these alphabets"),
        ({"alphabets": 10}, "these 10 alphabets"),
        ({"alphabets": 1}, "this alphabet"),
        ({"alphabet": "Ge_ez"}, "this alphabet"),
        ({"protocol": "mnist", "alphabets": 1}, "these ten digits"),
    ],
)
def test_what_an_interval_is_over_is_said(which: dict[str, Any], scope: str) -> None:
    assert accuracy(**which).scope == scope


def test_the_narrow_interval_is_known_beside_the_wide_one() -> None:
    _, low, high = interval([0.5, 0.5], 4000)
    assert accuracy(**WIDE).narrow() == (low, high, "these 10 alphabets")
    old = accuracy()
    assert old.narrow() == (old.low, old.high, old.scope)


def test_what_several_intervals_are_over_is_said_once() -> None:
    assert scopes([accuracy(**WIDE)] * 2) == "alphabets in general"
    both = scopes([accuracy(**WIDE), accuracy(), accuracy(**WIDE)])
    assert both == "alphabets in general or these alphabets"
