import json
import pickle
from collections import Counter

import pytest
import torch
from optuna.trial import FixedTrial

from hpo.study.config import StudyConfig
from hpo.study.errors import ConfigError
from hpo.study.files import available, load
from hpo.study.space.search_space import SearchSpace
from model.hyperparameters import MAX_DEPTH, Architecture
from model.net.siamese import SiameseNet
from tests.hpo.support import distributions, tiny_config

LAYER = {
    "*.filters": 4,
    "*.kernel_size": 3,
    "fc.units": 8,
    "*.learning_rate": 1e-2,
    "*.momentum": 0.5,
    "*.l2": 1e-4,
}


RUN: set[object] = set()
"""What `runs` has seen: sizes of a net, each with one of its choices."""


def runs(architecture: Architecture) -> None:
    """Build the net and run a pair through it, without its memory.

    Skipped if these sizes have been run with each of these choices: sizes decide whether the
    layers fit each other, and a choice works on what the layers leave whatever the other choices.
    """
    values = vars(architecture)
    choices = {
        name: value for name, value in values.items() if isinstance(value, str | bool | float)
    }
    sizes = tuple(value for name, value in values.items() if name not in choices)
    pairs = {(sizes, name, value) for name, value in choices.items()}
    if pairs <= RUN:
        return
    side = architecture.image_size
    with torch.device("meta"):
        net, image = SiameseNet(architecture), torch.empty(2, 1, side, side)
    assert net(image, image).shape == (2,)
    RUN.update(pairs)


@pytest.mark.parametrize("study", sorted(available()))
def test_every_extreme_can_be_trained(study: str) -> None:
    space = load(study).space()
    # Conditional parameters that the first trial does not have need a value too.
    base = {n: s.ends()[0] for n, s in space.searched.items()} | space.initial_configurations[0]
    for name, specification in space.searched.items():
        for end in specification.ends():
            runs(space.hyperparameters({**base, name: end}).architecture)
    for corner in space.corners():
        runs(space.hyperparameters(corner).architecture)


@pytest.mark.parametrize("study", sorted(available()))
def test_every_searched_parameter_changes_the_configuration(study: str) -> None:
    space = load(study).space()
    checks = Counter[str]()
    for corner in space.corners():
        base = space.hyperparameters(corner)
        for name in (name for name in corner if checks[name] < 3):
            other = next(end for end in space.searched[name].ends() if end != corner[name])
            try:
                changed = space.hyperparameters({**corner, name: other})
            except (ConfigError, ValueError):
                continue  # a choice that asks for parameters which this corner does not have
            assert changed != base, name
            checks[name] += 1
    assert set(checks) == set(space.searched)


@pytest.mark.parametrize("study", sorted(available()))
def test_first_trial_is_what_the_file_says(study: str) -> None:
    space = load(study).space()
    fixed = FixedTrial(dict(space.initial_configurations[0]))
    assert space.suggest(fixed) == space.hyperparameters(space.initial_configurations[0])
    assert fixed.params == space.initial_configurations[0]


def test_first_trial_of_the_paper_is_its_net() -> None:
    space = load("paper").space()
    architecture = space.hyperparameters(space.initial_configurations[0]).architecture
    assert architecture.filters == (64, 128, 128, 256)
    assert architecture.kernel_sizes == (10, 7, 4, 4)
    assert architecture.units == 4096


@pytest.mark.parametrize("study", ["paper", "compact", "smoke"])
def test_largest_kernels_leave_one_pixel(study: str) -> None:
    space = load(study).space()
    sizes = [space.hyperparameters(c).architecture.map_sizes()[-1][1] for c in space.corners()]
    assert min(sizes) == 1


def test_names_of_the_contract() -> None:
    layers = [f"conv{i}" for i in range(1, 5)]
    rates = ("learning_rate", "momentum", "l2")
    expected = {f"{layer}.{rate}" for layer in (*layers, "fc", "output") for rate in rates}
    expected |= {f"{layer}.{size}" for layer in layers for size in ("filters", "kernel_size")}
    assert set(load("paper").space().searched) == expected | {"fc.units"}
    assert set(distributions(load("paper").space())) == expected | {"fc.units"}


def test_deeper_nets_have_parameters_of_their_own() -> None:
    searched = {"conv*.filters": {"low": 2, "high": 4}, "net.depth": {"low": 1, "high": MAX_DEPTH}}
    parameters = {**LAYER, **searched, "net.padding": "same", "net.poolings": 2}
    del parameters["*.filters"]
    space = SearchSpace(parameters, image_size=35)
    for depth in range(1, MAX_DEPTH + 1):
        values = {"net.depth": depth} | {f"conv{i}.filters": 2 for i in range(1, MAX_DEPTH + 1)}
        trial = FixedTrial(values)
        assert len(space.suggest(trial).architecture.filters) == depth
        assert len(trial.params) == depth + 1
    assert len(distributions(space)) == MAX_DEPTH + 1


def test_conditions_decide_what_is_sampled() -> None:
    searched = {
        "recipe.batch": {"choices": ["pairs", "episodes"]},
        "recipe.way": {"low": 5, "high": 30, "when": {"recipe.batch": "episodes"}},
        "recipe.loss": {"choices": ["pair", "episode"], "when": {"recipe.batch": ["episodes"]}},
    }
    space = SearchSpace({**searched, **LAYER}, image_size=105)
    pairs = FixedTrial({"recipe.batch": "pairs"})
    assert space.suggest(pairs).recipe.way == 20
    assert set(pairs.params) == {"recipe.batch"}
    episodes = FixedTrial({"recipe.batch": "episodes", "recipe.way": 7, "recipe.loss": "episode"})
    recipe = space.suggest(episodes).recipe
    assert (recipe.batch, recipe.way, recipe.loss) == ("episodes", 7, "episode")


def test_a_choice_that_cannot_be_trained_is_refused() -> None:
    parameters = {**LAYER, "recipe.loss": {"choices": ["pair", "episode"]}}
    with pytest.raises(ConfigError, match="episode loss needs batches of episodes"):
        SearchSpace(parameters, image_size=105)
    parameters = {**LAYER, "recipe.splice": {"low": 0.0, "high": 0.5}}
    with pytest.raises(ConfigError, match="splice needs batches of episodes"):
        SearchSpace(parameters, image_size=105)


def test_conditions_in_a_circle_are_refused() -> None:
    parameters = {
        **LAYER,
        "net.head": {"choices": ["cosine", "weighted_l2"], "when": {"net.padding": "same"}},
        "net.padding": {"choices": ["same", "valid"], "when": {"net.head": "cosine"}},
    }
    with pytest.raises(ConfigError, match="depends on itself"):
        SearchSpace(parameters, image_size=105)


def test_a_space_is_built_once_for_all_that_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[SearchSpace] = []
    check = SearchSpace._check_corners
    monkeypatch.setattr(
        SearchSpace, "_check_corners", lambda self: (built.append(self), check(self))
    )
    raw = tiny_config().model_dump()
    raw["parameters"]["fc.units"] = {"low": 8, "high": 40, "step": 8}  # a space of this test's own
    config = StudyConfig.model_validate(raw)
    others = (
        config,
        config.changed(sampler="tpe", seed=3),
        config.changed(dataset="glyphs"),
        config.model_copy(update={"name": "other"}),
        pickle.loads(pickle.dumps(config)),
    )
    assert len({id(each.space()) for each in others}) == 1
    assert len({json.dumps(each.identity()["parameters.fc.units"]) for each in others}) == 1
    assert len(built) == 1
    # What a space depends on gives another one.
    start = config.model_copy(update={"start": ()})
    size = config.model_copy(update={"data": config.data.model_copy(update={"image_size": 20})})
    assert not start.space().initial_configurations
    assert size.space().image_size == 20
    assert len(built) == 3
