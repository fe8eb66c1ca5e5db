import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpo.reporting.bounds import at_a_bound, narrowed
from hpo.study.config import FOLDER, StudyConfig, validated
from hpo.study.files import load
from hpo.study.record import StudyRecord
from hpo.study.space.domains import Choices, Fixed, Range
from hpo.study.trials import TrialRecord, ranked, records
from tests.hpo.support import tiny_config

SPACE: dict[str, BaseDistribution] = {
    "conv1.filters": IntDistribution(16, 64, step=16),
    "fc.l2": FloatDistribution(1e-6, 1e-1, log=True),
    "conv2.filters": IntDistribution(16, 128, step=16),
    "conv2.l2": FloatDistribution(1e-6, 1e-1, log=True),
    "conv3.kernel_size": IntDistribution(2, 3),
    "fc.momentum": FloatDistribution(0, 0.99),
}
VALUES: dict[str, list[Any]] = {
    "conv1.filters": [64] * 5,
    "fc.l2": [1.1e-6] * 5,
    "conv2.filters": [128, 128, 112, 128, 128],  # not all
    "conv2.l2": [1e-2] * 5,  # far from 1e-1 on its scale
    "conv3.kernel_size": [3] * 5,  # of two values each is a bound
    "fc.momentum": [0.99] * 5,  # beyond which no study may search
}


def top(values: dict[str, list[Any]]) -> list[TrialRecord]:
    trials = [
        create_trial(
            value=1.0,
            params={name: column[i] for name, column in values.items()},
            distributions=SPACE,
        )
        for i in range(5)
    ]
    return [TrialRecord.of(trial) for trial in trials]


def test_parameters_at_a_bound_are_listed() -> None:
    table = at_a_bound(top(VALUES))
    assert table is not None
    assert list(table.rows) == [
        ("conv1.filters", "16 to 64", "upper", "64"),
        ("fc.l2", "1e-06 to 0.1", "lower", "1.1e-06"),
    ]
    assert "top 5" in table.caption


def test_values_inside_the_ranges_need_no_table() -> None:
    inside = VALUES | {"conv1.filters": [32] * 5, "fc.l2": [1e-3] * 5}
    assert at_a_bound(top(inside)) is None
    assert TrialState.COMPLETE in {trial.state for trial in top(inside)}
    assert isinstance(top(inside)[0].started, datetime)


def test_a_narrowed_study_keeps_the_best_tenth_and_runs(tmp_path: Path) -> None:
    raw = tiny_config().model_dump(exclude={"name"})
    raw["parameters"] |= {
        "net.depth": {"low": 2, "high": 3},
        "net.padding": "same",
        "conv*.filters": {"low": 2, "high": 22, "step": 2},
        "recipe.batch": {"choices": ["pairs", "episodes"]},
        "recipe.way": {"low": 2, "high": 40, "when": {"recipe.batch": "episodes"}},
        "recipe.loss": {"choices": ["pair", "episode"], "when": {"recipe.batch": "episodes"}},
        "recipe.optimiser": {"choices": ["sgd", "adamw"]},
    }
    config = validated({**raw, "name": "tiny", "start": []})
    space, study = config.space(), optuna.create_study(direction="maximize")
    for _ in range(60):
        # The smaller conv1's rate, and with episodes of the episode loss, the better.
        trial = study.ask()
        space.suggest(trial)
        values = trial.params
        shallow, episodes = values["net.depth"] == 2, values.get("recipe.loss") == "episode"
        good = shallow + episodes + (values["recipe.optimiser"] == "sgd")
        study.tell(trial, good - 0.1 * math.log(values["conv1.learning_rate"]))
    trials = records(study)
    record = StudyRecord(config=config.identity(), beside=config.beside_identity())
    file = tmp_path / "narrowed.toml"
    file.write_text(narrowed(trials, record, "tiny"))
    found = load(str(file))
    top = ranked(trials)[:6]
    assert found.description == "tiny narrowed to the ranges of the best 6 of its 60 trials"
    assert found.space().initial_configurations[0].items() <= top[0].params.items()
    for name, searched in found.space().searched.items():
        if isinstance(searched, Range):
            before = space.searched[name]
            assert isinstance(before, Range)
            assert all(t.params.get(name, searched.low) in searched for t in top), name
            assert before.low <= searched.low < searched.high <= before.high
    assert (found.budget, found.validation, found.data) == (
        config.budget,
        config.validation,
        config.data,
    )
    # It can be searched, each of its configurations being one of the whole space's.
    again = optuna.create_study()
    for _ in range(20):
        trial = again.ask()
        found.space().suggest(trial)
        fixed = {n: found.space().fixed_value(n) for n in space.searched}
        space.hyperparameters({**fixed, **trial.params})
    rate = found.space().searched["conv1.learning_rate"]
    assert isinstance(rate, Range)
    assert rate.high < 1e-1


def test_few_trials_narrow_nothing() -> None:
    config = tiny_config()
    record = StudyRecord(config=config.identity(), beside=config.beside_identity())
    assert narrowed(top(VALUES)[:4], record, "tiny") == ""
    assert narrowed(top(VALUES), StudyRecord(), "tiny") == ""


def space_of(parameters: dict[str, Any], **data: str) -> StudyConfig:
    raw = tiny_config().model_dump(exclude={"name"})
    return validated(
        {
            **raw,
            "name": "tiny",
            "start": [],
            "data": {**raw["data"], **data},
            "parameters": {**raw["parameters"], "net.padding": "same", **parameters},
        }
    )


def sampled(config: StudyConfig, number: int, seed: int = 0) -> list[TrialRecord]:
    sampler = optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(number):
        trial = study.ask()
        config.space().suggest(trial)
        study.tell(trial, trial.params["fc.momentum"])
    return records(study)


def record_of(config: StudyConfig, **more: Any) -> StudyRecord:
    return StudyRecord(config=config.identity(), beside=config.beside_identity(), **more)


def loaded(text: str, folder: Path) -> StudyConfig:
    file = folder / "narrowed.toml"
    file.write_text(text)
    return load(str(file))


@st.composite
def in_steps(draw: st.DrawFn) -> dict[str, Any]:
    step, steps = draw(st.sampled_from([0.1, 0.05, 0.07, 0.3])), draw(st.integers(1, 9))
    low = round(draw(st.integers(1, 3)) * step, 2)
    return {"low": low, "high": round(low + steps * step, 2), "step": step}


@st.composite
def between(draw: st.DrawFn, *, log: bool) -> dict[str, Any]:
    low = 10.0 ** -draw(st.integers(1, 6))
    return {"low": low, "high": low * draw(st.sampled_from([1.0001, 1.5, 9])), "log": log}


@st.composite
def whole(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(st.integers(2, 40))
    return {"low": low, "high": low + draw(st.integers(1, 40)), "log": draw(st.booleans())}


EPISODES = {"recipe.batch": "episodes"}
SPACES = st.fixed_dictionaries(
    {},
    optional={
        "recipe.rate_factor": in_steps(),
        "fc.l2": between(log=True),
        "conv1.momentum": between(log=False),
        "fc.units": whole(),
        "net.depth": st.sampled_from([2, {"low": 1, "high": 3}]),
        "recipe.batch": st.sampled_from(["episodes", {"choices": ["pairs", "episodes"]}]),
        "recipe.way": st.sampled_from([{"low": 2, "high": 9, "when": EPISODES}]),
        "recipe.pairs": whole().map(lambda one: {**one, "when": {"recipe.batch": "pairs"}}),
        "recipe.rotations": st.just({"choices": [True, False], "when": {"net.depth": [1, 2]}}),
        "recipe.warp": st.just({"low": 0.1, "high": 0.9, "when": {"conv2.filters": [2, 4]}}),
    },
)


@settings(deadline=None, max_examples=40)
@given(SPACES, st.integers(0, 9), st.sampled_from([5, 60]))
def test_what_is_narrowed_lies_in_the_space(
    tmp_path_factory: pytest.TempPathFactory, parameters: dict[str, Any], seed: int, number: int
) -> None:
    config = space_of(parameters)
    space, trials = config.space(), sampled(config, number, seed)
    text = narrowed(trials, record_of(config), "tiny")
    left = loaded(text, tmp_path_factory.mktemp("narrowed")).space()
    for name, before in space.searched.items():
        values = [t.params[name] for t in ranked(trials)[:6] if name in t.params]
        found = left.specifications.get(name)
        match found, before:
            case None, _:
                assert not values, name
            case Fixed(), _:
                assert {found.value} >= set(values), name
            case Choices(), Choices():
                assert set(before.options) >= set(found.options) >= set(values), name
            case Range(), Range():
                assert before.low <= found.low < found.high <= before.high, name
                if number > 5:
                    assert all(found.low - 1e-9 <= v <= found.high + 1e-9 for v in values), name
    again = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(10):
        trial = again.ask()
        fixed = {name: left.fixed_value(name) for name in space.searched}
        assert left.suggest(trial) == space.hyperparameters({**fixed, **trial.params})


def test_trials_of_others_that_the_study_cannot_try_narrow_nothing() -> None:
    config = space_of({})
    trials = sampled(config, 8)
    expected = narrowed(trials, record_of(config), "tiny").replace("its 8 ", "its 10 ")
    best = ranked(trials)[0]
    foreign = [
        replace(best, number=8, accuracy=1.0, params={**best.params, "fc.l2": -5.0}),
        replace(best, number=9, accuracy=1.0, params={"fc.units": "many"}),
    ]
    assert "best 5" in expected
    assert narrowed([*trials, *foreign], record_of(config), "tiny") == expected


def test_images_are_named_where_they_were_last_found(tmp_path: Path) -> None:
    config = space_of({}, dataset="letters")
    assert config.identity()["data.dataset"] == FOLDER
    for path in ('/a b/"q"/\\n\x7f', "/d\u00e9"):
        data = {"name": "letters", "digest": "0", "path": path}
        text = narrowed(sampled(config, 8), record_of(config, data=data), "tiny")
        assert loaded(text, tmp_path).data.dataset == path
    # It had bytes that are no text.
    data = {"name": "letters", "digest": "0"}
    assert narrowed(sampled(config, 8), record_of(config, data=data), "tiny") == ""
