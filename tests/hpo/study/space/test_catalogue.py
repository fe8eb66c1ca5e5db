import tomllib
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo.study.space.catalogue import catalogue, toml
from hpo.study.space.search_space import SearchSpace
from model.hyperparameters import Architecture, Bounds, LayerRates, Recipe
from tests.hpo.study.space.test_search_space import LAYER


@pytest.mark.parametrize("name", catalogue())
def test_no_parameter_is_dead(name: str) -> None:
    parameter = catalogue()[name]
    depth = max(4, parameter.depth)
    base = {**LAYER, "net.depth": depth, "net.padding": "same", "recipe.batch": "episodes"}
    values = parameter.options or ((2, 3) if parameter.kind == "int" else (0.125, 0.25))
    made = [
        SearchSpace({**base, name: value}, image_size=105).hyperparameters({}) for value in values
    ]
    for i, one in enumerate(made):
        assert all(one != other for other in made[i + 1 :])


def test_bounds_stand_beside_the_fields() -> None:
    def bounds(owner: type, field: str) -> Bounds:
        hint = get_type_hints(owner, include_extras=True)[field]
        return next(each for each in get_args(hint) if isinstance(each, Bounds))

    for name, owner, field in [
        ("net.dropout", Architecture, "dropout"),
        ("fc.units", Architecture, "units"),
        ("recipe.splice", Recipe, "splice"),
        ("conv6.momentum", LayerRates, "momentum"),
    ]:
        parameter, expected = catalogue()[name], bounds(owner, field)
        assert (parameter.low, parameter.high) == (expected.low, expected.high)
        for beyond in (expected.low - 1, expected.high + 1):
            with pytest.raises(ValueError, match=f"from {expected.low:g} to {expected.high:g}"):
                parameter.check(beyond)


@given(st.text(st.characters(max_codepoint=0x250, exclude_categories=["Cs"])))
def test_text_is_as_toml_reads_it(text: str) -> None:
    assert tomllib.loads(f"it = {toml(text)}")["it"] == text
