import pytest
import torch
from optuna.trial import FixedTrial

from hpo.study.config import available, load
from hpo.study.errors import ConfigError
from hpo.study.space.catalogue import MAX_DEPTH, catalogue
from hpo.study.space.search_space import SearchSpace
from model.hyperparameters import Hyperparameters
from model.net.siamese import SiameseNet

LAYER = {
    "*.filters": 4,
    "*.kernel_size": 3,
    "fc.units": 8,
    "*.learning_rate": 1e-2,
    "*.momentum": 0.5,
    "*.l2": 1e-4,
}


def runs(hyperparameters: Hyperparameters) -> None:
    """Build the net and run a pair through it, without its memory."""
    with torch.device("meta"):
        net = SiameseNet(hyperparameters.architecture)
        side = hyperparameters.architecture.image_size
        image = torch.empty(2, 1, side, side)
        assert net(image, image).shape == (2,)


@pytest.mark.parametrize("study", sorted(available()))
def test_every_extreme_can_be_trained(study: str) -> None:
    space = load(study).space()
    # What hangs on a choice that the first trial does not make needs a value too.
    base = {n: s.ends()[0] for n, s in space.searched.items()} | space.initial_configurations[0]
    for name, specification in space.searched.items():
        for end in specification.ends():
            runs(space.hyperparameters({**base, name: end}))
    for corner in space.corners():
        runs(space.hyperparameters(corner))


@pytest.mark.parametrize("study", sorted(available()))
def test_every_searched_parameter_changes_the_configuration(study: str) -> None:
    space = load(study).space()
    for corner in space.corners():
        base = space.hyperparameters(corner)
        for name, value in corner.items():
            other = next(end for end in space.searched[name].ends() if end != value)
            try:
                changed = space.hyperparameters({**corner, name: other})
            except (ConfigError, ValueError):
                continue  # a choice that asks for parameters which this corner has not
            assert changed != base, name


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
    assert set(load("paper").space().distributions()) == expected | {"fc.units"}


def test_exact_names_go_before_patterns() -> None:
    space = SearchSpace({**LAYER, "conv2.filters": 7}, image_size=105)
    assert space.hyperparameters({}).architecture.filters == (4, 7, 4, 4)


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
    assert len(space.distributions()) == MAX_DEPTH + 1


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
    with pytest.raises(ConfigError, match="hangs on itself"):
        SearchSpace(parameters, image_size=105)


@pytest.mark.parametrize("name", catalogue())
def test_no_parameter_is_dead(name: str) -> None:
    parameter = catalogue()[name]
    depth = max(4, parameter.depth)
    base = {**LAYER, "net.depth": depth, "net.padding": "same", "recipe.batch": "episodes"}
    values = parameter.options or ((2, 3) if parameter.kind == "int" else (0.25, 0.75))
    made = [
        SearchSpace({**base, name: value}, image_size=105).hyperparameters({}) for value in values
    ]
    for i, one in enumerate(made):
        assert all(one != other for other in made[i + 1 :])
