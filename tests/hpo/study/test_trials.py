"""The typed view of a trial's attributes: written, read, and under the keys of old databases."""

from dataclasses import replace

import optuna
import pytest
from optuna.trial import FixedTrial, TrialState, create_trial

from hpo.study.attempts import configurations_begun, finished, latest_attempts
from hpo.study.errors import StudyError
from hpo.study.trials import (
    TrialRecord,
    enqueue,
    enqueue_retry,
    original_number,
    ranked,
    record_failure,
    record_heartbeat,
    record_result,
    record_resume,
    record_seed,
    record_start,
    records,
    seed_of,
)
from model.training.trainer import EpochResult
from tests.hpo.support import name_worker

KEYS = {
    *("seed", "parameters", "device", "resumed_after_epoch", "heartbeats"),
    *("best_epoch", "verification_accuracy", "pairs_seen", "seconds", "diverged"),
}
LONG = {"versions", "worker", "failure"}
"""Together every key of a database written by version 0.1.0, besides ``retry_of``."""


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(direction="maximize")


def history() -> list[EpochResult]:
    rows = ((1, 0.7, 0.5, 0.6), (2, 0.5, 0.8, 0.7), (3, float("nan"), 0.8, 0.9))
    return [
        EpochResult(
            epoch=epoch,
            loss=loss,
            verification_accuracy=verification,
            one_shot_accuracy=one_shot,
            seconds=2.0,
            pairs_per_second=64.0,
            pairs_seen=128 * epoch,
            diverged=epoch == 3,
        )
        for epoch, loss, one_shot, verification in rows
    ]


def told(study: optuna.Study) -> TrialRecord:
    trial = study.ask()
    record_seed(trial, 7)
    trial.suggest_float("fc.l2", 0, 1)
    record_start(trial, parameters=1234, device="cpu", versions="torch 2")
    record_resume(trial, 1)
    name_worker(study, trial._trial_id, {"pid": 5})
    record_heartbeat(study._storage, trial._trial_id, 3)
    for result in history():
        trial.report(result.one_shot_accuracy, result.epoch)
    record_result(trial, history())
    record_failure(study._storage, trial._trial_id, "RuntimeError: late")
    study.tell(trial, 0.8)
    return records(study)[-1]


def test_what_is_written_is_read(study: optuna.Study) -> None:
    record = told(study)
    assert (record.number, record.state, record.accuracy) == (0, TrialState.COMPLETE, 0.8)
    assert (record.seed, record.parameters, record.device) == (7, 1234, "cpu")
    assert (record.versions, record.resumed_after_epoch) == ("torch 2", 1)
    assert (record.worker, record.heartbeats) == ({"pid": 5}, 3)
    # Of equally good epochs the first one's weights are kept.
    assert (record.best_epoch, record.verification_accuracy) == (2, 0.7)
    assert (record.pairs_seen, record.seconds, record.diverged) == (384, 6.0, True)
    assert record.failure == "RuntimeError: late"
    assert record.epochs == 3
    assert [result["loss"] for result in record.history] == [0.7, 0.5, None]
    assert record.is_complete


def test_a_collapsed_trial_is_marked_and_others_are_not(study: optuna.Study) -> None:
    assert not told(study).collapsed
    trial = study.ask()
    record_result(trial, [*history()[:2], replace(history()[2], collapsed=True)])
    study.tell(trial, 0.8)
    record = records(study)[-1]
    assert record.collapsed
    assert record.accuracy == 0.8
    assert record.history[-1]["collapsed"]


def test_the_keys_are_those_of_earlier_versions(study: optuna.Study) -> None:
    told(study)
    trial = study.trials[0]
    assert set(trial.user_attrs) == KEYS
    assert set(trial.system_attrs) == LONG | {"history"}
    enqueue_retry(study, trial)
    assert study.trials[1].user_attrs == {"retry_of": 0, "seed": 7, "parameters": 1234}
    assert study.trials[1].system_attrs == {}


def test_long_values_are_read_where_version_0_1_0_kept_them_too(study: optuna.Study) -> None:
    kept = {"versions": "torch 2", "worker": {"pid": 5}, "failure": "RuntimeError: late"}
    old = create_trial(state=TrialState.FAIL, user_attrs=kept)
    new = create_trial(state=TrialState.FAIL, system_attrs=kept)
    for record in (TrialRecord.of(old), TrialRecord.of(new)):
        assert (record.versions, record.worker) == ("torch 2", {"pid": 5})
        assert record.failure == "RuntimeError: late"


def test_a_trial_without_attributes_is_read_too() -> None:
    record = TrialRecord.of(create_trial(state=TrialState.COMPLETE, value=0.5))
    assert record.accuracy == 0.5
    assert record.parameters is record.best_epoch is record.pairs_seen is record.failure is None
    assert (record.seconds, record.heartbeats, record.history) == (0.0, 0, ())


def test_a_running_trial_s_accuracy_is_its_best_finite_epoch(study: optuna.Study) -> None:
    trial = study.ask()
    assert records(study)[0].accuracy is None
    for epoch, value in ((1, 0.4), (2, float("nan")), (3, 0.3)):
        trial.report(value, epoch)
    record = records(study)[0]
    assert (record.accuracy, record.epochs, record.is_complete) == (0.4, 3, False)


def test_only_a_trial_that_failed_with_an_error_has_all_its_time(study: optuna.Study) -> None:
    for reason in (None, "ValueError"):
        trial = study.ask()
        if reason:
            record_failure(study._storage, trial._trial_id, reason)
        study.tell(trial, state=TrialState.FAIL)
    died, failed = records(study)
    assert died.seconds == 0
    assert failed.seconds > 0


def test_a_seed_is_known_to_the_running_trial(study: optuna.Study) -> None:
    enqueue(study, {"fc.l2": 0.5}, 9)
    trial = study.ask()
    assert seed_of(trial) == 9
    assert trial.suggest_float("fc.l2", 0, 1) == 0.5
    assert seed_of(FixedTrial({})) is None


def test_a_retry_is_of_the_first_trial_and_keeps_what_was_suggested(study: optuna.Study) -> None:
    told(study)
    for number in (0, 1):
        enqueue_retry(study, study.trials[number])
        study.ask()
    first, second, third = records(study)
    assert [one.original_number for one in (first, second, third)] == [0, 0, 0]
    assert original_number(study.trials[2]) == 0
    assert second.params == first.params
    assert second.original_number != second.number
    assert not second.history
    assert latest_attempts(records(study)) == {0: third}
    assert configurations_begun(study) == 1


def test_a_retry_of_a_half_suggested_trial_is_suggested_anew(study: optuna.Study) -> None:
    enqueue(study, {"fc.l2": 0.5}, 9)
    trial = study.ask()
    trial.suggest_float("fc.l2", 0, 1)
    enqueue_retry(study, study.trials[0])
    again = study.ask()
    assert again.params == {}
    assert again.suggest_float("fc.l2", 0, 1) == 0.5


def test_best_trials_are_ranked_and_counted(study: optuna.Study) -> None:
    for value in (0.4, 0.9, 0.9):
        study.add_trial(create_trial(value=value))
    study.add_trial(create_trial(state=TrialState.PRUNED))
    study.add_trial(create_trial(state=TrialState.FAIL))
    assert [record.number for record in ranked(records(study))] == [1, 2, 0]
    assert finished(study) == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("seconds", "x"), ("seed", [1]), ("retry_of", "0"), ("parameters", {}), ("paused", "no")],
)
def test_an_attribute_of_the_wrong_shape_is_one_message(name: str, value: object) -> None:
    trial = create_trial(value=0.5, user_attrs={name: value})
    with pytest.raises(StudyError, match=r"changed by hand: .* of trial "):
        TrialRecord.of(trial)


@pytest.mark.parametrize(
    "history", ["x", [3], [{"seconds": 1.0}], [{"seconds": 1, "pairs_seen": "x"}]]
)
def test_a_history_of_the_wrong_shape_is_one_message(history: object) -> None:
    trial = create_trial(value=0.5, system_attrs={"history": history})
    with pytest.raises(StudyError, match="changed by hand: history of trial "):
        TrialRecord.of(trial)
