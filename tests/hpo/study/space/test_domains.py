from typing import Any

import pytest

from hpo.study.errors import ConfigError
from hpo.study.space.domains import Fixed, expand, matching, read
from hpo.study.space.search_space import SearchSpace
from tests.hpo.study.space.test_search_space import LAYER


def test_exact_names_go_before_patterns() -> None:
    space = SearchSpace({**LAYER, "conv2.filters": 7}, image_size=105)
    assert space.hyperparameters({}).architecture.filters == (4, 7, 4, 4)


@pytest.mark.parametrize(
    ("given_as", "shown", "inside", "outside"),
    [
        ({"low": 2, "high": 8}, "2 to 8", (2, 5, 8), (1, 9)),
        ({"low": 16, "high": 48, "step": 16}, "16 to 48 in steps of 16", (16, 32, 48), (17, 64)),
        ({"low": 1, "high": 64, "log": True}, "1 to 64 (log scale)", (1, 64), (0, 65)),
        ({"choices": [4, 8]}, "4, 8", (4, 8), (6,)),
    ],
)
def test_what_a_parameter_may_be(
    given_as: dict[str, Any], shown: str, inside: tuple[int, ...], outside: tuple[int, ...]
) -> None:
    domain = read({**LAYER, "conv2.filters": given_as})["conv2.filters"]
    assert not isinstance(domain, Fixed)
    assert str(domain) == shown
    assert all(value in domain for value in inside)
    assert not any(value in domain for value in outside)
    assert set(domain.ends()) <= set(inside)


def test_a_plain_value_is_fixed() -> None:
    assert read({**LAYER, "conv2.filters": 7})["conv2.filters"] == Fixed(7)
    assert Fixed(7).ends() == (7,)


NAMES = ("conv1.filters", "conv2.filters", "fc.units")


def test_patterns_stand_for_the_names_they_match() -> None:
    assert expand({"conv*.filters": 1, "conv2.filters": 2}, NAMES) == {
        "conv1.filters": 1,
        "conv2.filters": 2,
    }
    assert matching(("conv1.*", "fc.*"), NAMES) == ["conv1.filters", "fc.units"]


@pytest.mark.parametrize(
    ("given_as", "words"),
    [
        ({"conv*.filter": 1}, "matches no parameter; did you mean"),
        ({"fc": {"units": 1}}, '"fc" matches no parameter; quote whole names, such as "fc.units"'),
        ({"conv*.filters": 1, "*1.filters": 2}, "both match conv1.filters"),
        ({"conv6.filters": 1}, "only where net.depth is 6 or more"),
    ],
)
def test_names_that_say_nothing_or_two_things_are_refused(
    given_as: dict[str, int], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        expand(given_as, NAMES)


def test_an_exact_name_settles_what_two_patterns_match() -> None:
    both = {"conv*.filters": 1, "*1.filters": 2, "conv1.filters": 3}
    assert expand(both, NAMES) == {"conv1.filters": 3, "conv2.filters": 1}


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"net.hed": "cosine"}, "did you mean"),
        ({"net.head": "l3"}, "is not allowed"),
        ({"net.dropout": 0.5}, "cannot depend on itself"),
        ("cosine", "give a table"),
    ],
)
def test_conditions_that_cannot_hold_are_refused(when: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read({**LAYER, "net.dropout": {"low": 0, "high": 0.5, "when": when}})


@pytest.mark.parametrize("step", [1e-320, 1e-18])
def test_steps_are_bounded_in_number(step: float) -> None:
    with pytest.raises(ConfigError, match="more than 1,000,000,000 values; leave it out"):
        read({**LAYER, "net.dropout": {"low": 0, "high": 0.5, "step": step}})
