import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpo.study.attempts import (
    configurations_begun,
    finished,
    latest_attempts,
    outcome,
    pending,
    reason,
    to_retry,
)
from hpo.study.trials import records


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(direction="maximize")


def add(study: optuna.Study, state: TrialState, **attributes: object) -> None:
    value = 0.5 if state == TrialState.COMPLETE else None
    study.add_trial(create_trial(state=state, value=value, user_attrs=attributes))


def test_a_configuration_counts_once_and_when_none_of_its_trials_is_pending(
    study: optuna.Study,
) -> None:
    add(study, TrialState.PRUNED, paused=True)
    add(study, TrialState.COMPLETE)
    assert finished(study) == 2
    add(study, TrialState.WAITING, retry_of=0, promoted_after_epoch=1)
    assert pending(records(study)) == {0}
    assert finished(study) == 1
    add(study, TrialState.FAIL, retry_of=1, failure="MemoryError")  # a double of what is complete
    assert finished(study) == 1
    assert configurations_begun(study) == 2


def test_a_promoted_trial_that_died_is_to_be_retried_and_one_that_failed_is_not(
    study: optuna.Study,
) -> None:
    add(study, TrialState.PRUNED, paused=True)
    add(study, TrialState.FAIL, retry_of=0, promoted_after_epoch=1)
    assert [trial.number for trial in to_retry(records(study))] == [1]
    assert finished(study) == 0
    add(study, TrialState.RUNNING, retry_of=0, promoted_after_epoch=1)
    assert to_retry(records(study)) == []
    other = optuna.create_study(direction="maximize")
    add(other, TrialState.PRUNED, paused=True)
    add(other, TrialState.FAIL, retry_of=0, promoted_after_epoch=1, failure="MemoryError")
    assert to_retry(records(other)) == []
    assert finished(other) == 1


def test_a_reason_says_how_it_goes_on(study: optuna.Study) -> None:
    study.add_trial(
        create_trial(
            state=TrialState.PRUNED, user_attrs={"paused": True}, intermediate_values={1: 0.5}
        )
    )
    (paused,) = records(study)
    assert reason(paused, latest_attempts([paused])) == "paused after epoch 1"
    assert outcome(paused) == "paused"
    add(study, TrialState.RUNNING, retry_of=0, promoted_after_epoch=1)
    latest = latest_attempts(records(study))
    assert reason(paused, latest) == "paused after epoch 1; goes on as trial 1"
