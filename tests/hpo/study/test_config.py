import json
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo.study.config import StudyConfig, of_identity, spelled_out
from hpo.study.errors import ConfigError
from hpo.study.files import available, load
from hpo.study.samplers.table import SAMPLERS
from tests import STUDIES


def altered(tmp_path: Path, *changes: tuple[str, str], study: str = "smoke") -> Path:
    """Return a copy of a study file with each (old, new) replaced once."""
    text = available()[study].read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "altered.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", STUDIES)
def test_study_files_load_and_are_frozen(name: str) -> None:
    config = load(name)
    assert config.name == name
    with pytest.raises(ValueError, match="frozen"):
        config.description = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs = 3", "epoch = 3", ["budget.epoch", 'did you mean "epochs"']),
        ("epochs = 3", "epochs = 0", ["budget.epochs", "0", "greater than or equal to 1"]),
        ("epochs = 3", 'epochs = "3"', ["budget.epochs", "'3'", "valid integer"]),
        ("epochs = 3\n", "", ["budget.epochs is missing"]),
        ('dataset = "glyphs"', 'dataset = " "', ["data.dataset = ' '", "should not be empty"]),
        ('sampler = "gp"', 'sampler = "pg"', ["search.sampler", "'pg'", ", ".join(SAMPLERS)]),
        ('sampler = "gp"', 'sampler = "rando"', ["search.sampler", 'did you mean "random"?']),
        ('pruner = "none"', 'pruner = "medain"', ["search.pruner", 'did you mean "median"?']),
        ("[budget]", "[budgets]", ["budgets", 'did you mean "budget"']),
        ('"fc.units"', '"fc.unit"', ["fc.unit", 'did you mean "fc.units"']),
        ('"conv*.filters"', '"conf*.filters"', ["conf*.filters", "matches no parameter"]),
        ("high = 128", "high = 99999", ["fc.units", "99999", "from 1 to 16384"]),
        ("high = 128", "high = 127", ["fc.units", "127", "steps of 16"]),
        ("low = 16, high = 128", "low = 128, high = 16", ["fc.units", "128", "16"]),
        ("high = 0.99", "high = 0.99, step = inf", ["momentum", "step = inf", "finite number"]),
        ("high = 0.99", "high = 0.99, step = nan", ["momentum", "step = nan", "finite number"]),
        ("low = 16, high = 128", "high = 128", ["fc.units", '"low" is missing']),
        ("high = 0.99", "high = 1", ["momentum", "1", "0.99"]),
        ("low = 1e-6", "low = 0", ["l2", "0", "log scale"]),
        ("log = true", "lg = true", ["learning_rate", '"lg"', 'did you mean "log"']),
        ('"net.poolings" = 2', '"net.poolings" = "two"', ["net.poolings", "two", "from 0 to 6"]),
        ('"net.poolings" = 2', '"net.padding" = "full"', ["net.padding", '"valid", "same"']),
        ('"net.poolings" = 2', '"net.padding" = { low = 1, high = 2 }', ["net.padding", "choices"]),
        ('"net.poolings" = 2', '"net.dropout" = { choices = [0.1] }', ["net.dropout", "two"]),
        ('"net.poolings" = 2', '"net.dropout" = [0, 0.1]', ["give { choices = [0, 0.1] }"]),
        ('"net.poolings" = 2', '"conv5.filters" = 8', ["conv5.filters", "net.depth is 5"]),
        ('"net.poolings" = 2', '"*.units" = 64\n"fc.*" = 8', ["both match fc.", "exactly"]),
        ('"net.poolings" = 2', "", ["conv", "leaves no pixels", "kernel"]),
        ('"conv2.kernel_size" = 4', '"conv2.kernel_size" = 9', ["start.0", "conv2.kernel", "9"]),
        ('"conv2.kernel_size" = 4', "", ["start.0", "conv2.kernel_size"]),
        (
            '"conv2.kernel_size" = 4',
            '"conv2.kernel_size" = 4\n"net.poolings" = 3',
            ["start.0", "net.poolings", "fixed at 2"],
        ),
        ("[data]", "[data", ["not a TOML file"]),
    ],
)
def test_mistakes_are_named_with_what_is_allowed(
    tmp_path: Path, old: str, new: str, words: list[str]
) -> None:
    path = altered(tmp_path, (old, new))
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    message = str(caught.value)
    assert "altered.toml" in message
    for word in words:
        assert word in message


def test_conditions_must_name_what_is_there(tmp_path: Path) -> None:
    line = '"recipe.way" = {{ low = 5, high = 30, when = {{ {} }} }}'
    for when, words in [
        ('"recipe.batches" = "episodes"', 'did you mean "recipe.batch"'),
        ('"recipe.batch" = "episode"', '"pairs", "episodes"'),
        ('"recipe.way" = 5', "depend on itself"),
    ]:
        path = altered(tmp_path, ('"net.poolings" = 2', '"net.poolings" = 2\n' + line.format(when)))
        with pytest.raises(ConfigError, match=words):
            load(str(path))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["low", "high", "step", "log", "choices", "when", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
names = st.sampled_from(["net.depth", "conv*.filters", "*.l2", "recipe.batch", "fc.units", "*", ""])


@given(st.dictionaries(names, values, max_size=4), st.lists(st.dictionaries(names, values)))
def test_any_parameters_give_a_space_or_one_clear_error(
    parameters: dict[str, object], start: list[dict[str, object]]
) -> None:
    raw = tomllib.loads(available()["smoke"].read_text())
    config = StudyConfig.model_validate(
        {**raw, "name": "x", "parameters": raw["parameters"] | parameters, "start": tuple(start)}
    )
    with suppress(ConfigError):
        config.space()


def test_options_of_the_command_line_are_checked_too() -> None:
    config = load("smoke").changed(sampler="tpe", trials=5, dataset=None)
    assert (config.search.sampler, config.search.trials) == ("tpe", 5)
    assert config.data.dataset == "glyphs"
    with pytest.raises(ConfigError, match=r"search\.seed"):
        load("smoke").changed(seed=-1)


def test_the_limits_of_a_trial_are_not_those_of_the_final_fit() -> None:
    beyond = load("beyond")
    trial, final = beyond.training_budget(), beyond.final_budget()
    assert trial.seconds
    assert trial.teraflops
    assert final.seconds is None
    assert final.teraflops is None
    assert final.epochs > trial.epochs


def test_identity_holds_all_but_total_and_description() -> None:
    smoke = load("smoke")
    assert smoke.identity() == smoke.changed(trials=99).identity()
    assert smoke.identity() != smoke.changed(seed=1).identity()
    assert smoke.identity() == smoke.changed(validation="koch").identity()
    assert smoke.changed(validation="lake").identity()["data.validation"] == "lake"
    assert smoke.identity()["parameters.conv4.momentum"] == {"low": 0.0, "high": 0.99, "log": False}


def test_rungs_make_a_study_another_only_where_trials_are_paused_at_them() -> None:
    few, many = load("smoke"), load("smoke", ["search.rungs=5"])
    assert few.identity() == many.identity()
    assert few.changed(pruner="asha").identity() != many.changed(pruner="asha").identity()
    assert spelled_out(few.changed(pruner="asha").identity())["search.rungs"] == 4
    # As studies were written before.
    assert spelled_out({"search.pruner": "none", "search.rungs": 5}) == spelled_out(
        {"search.pruner": "none", "data.validation": None}
    )


@pytest.mark.parametrize("name", STUDIES)
def test_a_config_is_known_from_what_its_database_holds(name: str) -> None:
    config = load(name).changed(trials=7)
    kept = json.loads(json.dumps([config.identity(), config.beside_identity()]))
    found = of_identity(name, *kept, config.description)
    assert found.identity() == config.identity()
    assert (found.search, found.final, found.description) == (
        config.search,
        config.final,
        config.description,
    )
    assert found.final_budget() == config.final_budget()


def test_a_folder_of_images_is_not_in_a_database_s_config() -> None:
    config = load("smoke").changed(dataset="some/folder")
    assert of_identity("smoke", config.identity(), {}, "").data.dataset == "auto"
