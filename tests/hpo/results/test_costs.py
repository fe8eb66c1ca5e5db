import csv
import io
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from hpo.results.costs import as_csv, costed_trials, in_order_of_ending, recorded_space, table
from hpo.study.files import load
from hpo.study.record import record_study
from hpo.study.storage.location import StudyLocation
from model.training.cost import training_flops_per_pair
from tests.hpo.report_support import fake_study
from tests.hpo.support import tiny_config


def test_the_cost_of_a_trial_is_known_from_the_database_alone(tmp_path: Path) -> None:
    study = fake_study(StudyLocation("smoke", tmp_path), "CPFD", base="smoke")
    complete, pruned, failed, died = costed_trials(study)
    for trial in (complete, pruned):
        assert trial.flops_per_pair
        assert trial.flops == trial.flops_per_pair * (trial.pairs_seen or 0)
    # A failed trial is charged for the epochs that it completed, a dead one by its retry.
    assert failed.failure
    assert failed.flops_per_pair
    pairs = failed.epochs * load("smoke").budget.pairs_per_epoch
    assert failed.flops == failed.flops_per_pair * pairs > 0
    assert (died.flops, died.seconds) == (0, 0)


def test_the_operations_are_those_of_the_suggested_net() -> None:
    config = tiny_config()
    space = config.space()
    study = optuna.create_study(direction="maximize")
    record_study(study, config=config.identity())
    study.enqueue_trial(dict(space.initial_configurations[0]))
    trial = study.ask()
    net = space.suggest(trial).architecture
    study.tell(trial, 0.5)
    (known,) = costed_trials(study)
    assert known.flops_per_pair == training_flops_per_pair(net)
    # A trial that ended before its values were suggested has a net nobody knows.
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert costed_trials(study)[1].flops is None


def test_a_study_of_unknown_space_has_no_operations() -> None:
    study = optuna.create_study()
    study.tell(study.ask(), 0.5)
    (trial,) = costed_trials(study)
    assert trial.flops_per_pair is trial.flops is None
    assert trial.accuracy == 0.5


def test_trials_are_ordered_by_their_end() -> None:
    study = optuna.create_study()
    first, second = study.ask(), study.ask()
    study.ask()
    study.tell(second, 0.1)
    study.tell(first, 0.2)
    assert [trial.number for trial in in_order_of_ending(costed_trials(study))] == [1, 0]


def test_the_search_space_is_known_from_the_database_alone() -> None:
    for name in ("beyond", "smoke"):
        config = load(name)
        space = recorded_space(config.identity())
        assert space is not None
        assert space.specifications == config.space().specifications
        assert space.initial_configurations == config.space().initial_configurations
    assert recorded_space({}) is None


def test_a_row_of_the_table_is_a_trial(tmp_path: Path) -> None:
    study = fake_study(StudyLocation("smoke", tmp_path), "CPFDR", base="smoke")
    trials, space = costed_trials(study), load("smoke").space()
    rows = table(trials, space)
    first = ["number", "state", "value", *space.searched]
    assert [list(row) for row in rows] == 5 * [
        [*first, "epochs", "pairs", "seconds", "tflop", "reason"]
    ]
    assert [row["state"] for row in rows] == ["COMPLETE", "PRUNED", "FAIL", "FAIL", "RUNNING"]
    complete, pruned, failed, died, running = rows
    assert complete["value"] == study.trials[0].value
    assert complete["conv1.filters"] == trials[0].params["conv1.filters"]
    assert complete["pairs"] == trials[0].pairs_seen
    assert complete["tflop"] == pytest.approx((trials[0].flops or 0) / 1e12, rel=1e-3)
    # A net for a first try costs so little that decimals would leave nothing of it.
    (small,) = table([replace(trials[0], flops=2.34567e6)], space)
    assert small["tflop"] == 2.346e-6
    assert pruned["reason"] == f"pruned after epoch {trials[1].epochs}"
    assert failed["reason"] == "ValueError: the loss is not finite"
    assert failed["pairs"] == 2 * load("smoke").budget.pairs_per_epoch
    assert died["reason"] == "interrupted; not yet resumed"
    assert complete["reason"] is running["reason"] is None


def test_the_csv_is_the_table(tmp_path: Path) -> None:
    study = fake_study(StudyLocation("smoke", tmp_path), "CF", base="smoke")
    study.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.FAIL, user_attrs={"failure": 'OSError: "a",\nb; ü'}
        )
    )
    rows = table(costed_trials(study))
    read = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [list(row) for row in read] == [list(row) for row in rows]
    for got, row in zip(read, rows, strict=True):
        assert list(got.values()) == ["" if v is None else str(v) for v in row.values()]
    # A trial that never had its values, and a study without trials.
    assert (read[2]["conv1.filters"], read[2]["reason"]) == ("", 'OSError: "a",\nb; ü')
    assert as_csv([]) == ""
