import math
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpo.reporting.bounds import at_a_bound, narrowed
from hpo.study.config import validated
from hpo.study.files import load
from hpo.study.record import StudyRecord
from hpo.study.space.domains import Range
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
