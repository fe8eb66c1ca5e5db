import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from hpo.search.objective import Objective
from hpo.search.workers.heartbeat import HeartbeatMonitor, this_process
from hpo.search.workers.queue import ATTEMPTS, next_trial, release
from hpo.search.workers.worker import Job, run_trial, work
from hpo.study.attempts import finished
from hpo.study.open import open_study
from hpo.study.trials import TrialRecord, original_number, record_resume, records
from hpo.training.data import load_data
from hpo.training.resumable import ResumableTraining
from model.training.trainer import EpochResult
from tests.hpo.support import name_worker, outcomes, tiny_job


def give_to(study: optuna.Study, trial: optuna.Trial, **changes: str) -> None:
    """Change what the database says of the process that runs the trial."""
    worker = TrialRecord.of(study.trials[trial.number]).worker
    name_worker(study, trial._trial_id, {**(worker or {}), **changes})


def test_the_dead_are_tried_again_once_and_not_for_ever(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    study = open_study(job.run)
    options = {"seed": 0, "initial_configurations": job.run.config.space().initial_configurations}
    for _ in range(ATTEMPTS):
        trial = next_trial(study, job.run.location, 2, **options)
        assert trial is not None
        assert original_number(trial) == 0
        # As if its process, on this machine, had died.
        give_to(study, trial, started="0")
    assert len(study.trials) == ATTEMPTS
    with caplog.at_level("WARNING"):
        trial = next_trial(study, job.run.location, 2, **options)
    assert trial is not None
    assert original_number(trial) == trial.number
    assert next_trial(study, job.run.location, 1, **options) is None
    # That it is given up is said and recorded.
    reason = f"given up: {ATTEMPTS} processes died before it got beyond a first checkpoint"
    assert f"trial {ATTEMPTS - 1}: {reason}" in caplog.text
    failures = [record.failure for record in records(study)]
    assert failures == [None] * (ATTEMPTS - 1) + [reason, None]


def test_polite_stops_and_deaths_with_progress_never_count(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.training.resumable.CHECKPOINT_SECONDS", 0)
    whole = tiny_job(job.run.location.out / "whole", 1, seed=0)
    work(replace(whole, total=1))
    study = open_study(job.run)
    stops = ATTEMPTS + 1
    train = ResumableTraining.run

    def stopped(self: ResumableTraining, on_epoch: Callable[[EpochResult], bool]) -> None:
        def until_now(result: EpochResult) -> bool:
            on_epoch(result)
            if result.epoch == 2:
                raise KeyboardInterrupt
            return False

        train(self, until_now)

    with monkeypatch.context() as patch:
        patch.setattr(ResumableTraining, "run", stopped)
        for _ in range(stops):
            with pytest.raises(KeyboardInterrupt):
                work(replace(job, total=1))
    assert all(record.stopped for record in records(study))
    work(replace(job, total=1))
    last = records(study)[-1]
    assert (len(study.trials), last.original_number) == (stops + 1, 0)
    assert last.resumed_after_epoch == 1
    assert outcomes(replace(job, total=1)) == outcomes(whole)


def test_no_configuration_is_given_up_without_a_word(job: Job) -> None:
    study = open_study(job.run)
    for _ in range(ATTEMPTS):
        trial = next_trial(study, job.run.location, 2, seed=0)
        assert trial is not None
        study.tell(trial, state=TrialState.FAIL)  # by whom, and why, was not said
    trial = next_trial(study, job.run.location, 2, seed=0)
    assert trial is not None
    assert original_number(trial) == 0
    give_to(study, trial, started="0")
    trial = next_trial(study, job.run.location, 2, seed=0)
    assert trial is not None
    assert original_number(trial) != 0
    assert [bool(record.failure) for record in records(study)] == [False] * ATTEMPTS + [True, False]


def test_a_retry_that_dies_before_its_start_is_retried_with_its_values(job: Job) -> None:
    study = open_study(job.run)
    work(replace(job, total=1))
    (first,) = study.trials
    dead = {name: getattr(first, name) for name in ("params", "distributions", "user_attrs")}
    study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL, **dead))
    for _ in range(2):
        again = next_trial(study, job.run.location, 3, seed=0)
        assert again is not None
        assert again.params == first.params
        give_to(study, again, started="0")


@pytest.mark.parametrize(
    ("resumed", "given_up"),
    [
        ([0] * ATTEMPTS, True),
        ([0] * (ATTEMPTS - 1), False),
        # Each got one checkpoint further than the one before.
        (list(range(2 * ATTEMPTS)), False),
        ([*range(ATTEMPTS), *[ATTEMPTS] * ATTEMPTS], True),
        ([*range(ATTEMPTS), *[ATTEMPTS] * (ATTEMPTS - 1)], False),
        # Tried where the checkpoint is not to be had, it did not get further.
        ([3, 0] * ATTEMPTS, True),
    ],
)
def test_only_deaths_without_progress_count(job: Job, resumed: list[int], given_up: bool) -> None:
    study = open_study(job.run)
    for epoch in resumed:
        trial = next_trial(study, job.run.location, 2, seed=0)
        assert trial is not None
        if original_number(trial) != 0:
            break
        if epoch:
            record_resume(trial, epoch)
        give_to(study, trial, started="0")
    trial = next_trial(study, job.run.location, 2, seed=0)
    assert trial is not None
    assert (original_number(trial) != 0) == given_up


def test_a_configuration_half_drawn_is_drawn_again_the_same(tmp_path: Path) -> None:
    whole, broken = tiny_job(tmp_path / "whole", 2), tiny_job(tmp_path / "broken", 2)
    work(whole)
    work(replace(broken, total=1))
    study = open_study(broken.run)
    trial = next_trial(study, broken.run.location, 2, seed=0)
    assert trial is not None
    trial.suggest_int("conv1.filters", 2, 6, step=2)
    give_to(study, trial, started="0")
    work(broken)
    assert outcomes(broken) == outcomes(whole)


def test_a_trial_tried_again_has_its_parameters_and_no_history_yet(job: Job) -> None:
    study = open_study(job.run)
    work(replace(job, total=1))
    (first,) = study.trials
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.FAIL,
            params=first.params,
            distributions=first.distributions,
            user_attrs=first.user_attrs,
            system_attrs=first.system_attrs,
        )
    )
    again = next_trial(study, job.run.location, 3, seed=0)
    assert again is not None
    assert again.params == first.params
    assert TrialRecord.of(first).history
    assert not TrialRecord.of(study.trials[again.number]).history


def test_trials_of_processes_stopped_on_request_are_released(job: Job) -> None:
    study = open_study(job.run)
    mine, other = (next_trial(study, job.run.location, 4, seed=0) for _ in range(2))
    assert mine is not None
    assert other is not None
    give_to(study, other, machine="elsewhere")
    release(study, [this_process()])
    first, second = records(study)
    assert (first.state, first.stopped) == (TrialState.FAIL, True)
    assert (second.state, second.stopped) == (TrialState.RUNNING, False)


def test_a_silent_trial_of_another_machine_is_taken_over(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.search.workers.heartbeat.GRACE_SECONDS", 1)
    study, monitor = open_study(job.run), HeartbeatMonitor()
    trial = next_trial(study, job.run.location, 1, seed=0)
    assert trial is not None
    give_to(study, trial, machine="elsewhere")
    assert next_trial(study, job.run.location, 1, seed=0, monitor=monitor) is None
    time.sleep(1.1)
    again = next_trial(study, job.run.location, 1, seed=0, monitor=monitor)
    assert again is not None
    assert original_number(again) == trial.number
    # The one taken for dead comes back: its result is not counted.
    objective = Objective(job.run, load_data(job.run))
    assert run_trial(study, trial, objective) is None
    assert finished(study) == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fc.units": 512}, "fc.units: 512 is outside its search space (8 to 32 in steps of 8)"),
        ({"fc.units": 20}, "fc.units: 20 is outside"),
        ({"fc.units": "many"}, 'fc.units: "many" is not allowed'),
        ({"conv1.l2": float("nan")}, "conv1.l2: nan is not allowed"),
        ({"fc.unit": 8}, 'fc.unit is not searched; did you mean "fc.units"?'),
    ],
)
def test_a_value_outside_the_space_is_refused_and_not_counted(
    job: Job, caplog: pytest.LogCaptureFixture, values: dict[str, object], words: str
) -> None:
    whole = tiny_job(job.run.location.out / "whole", 2, seed=0)
    work(whole)
    study = open_study(job.run)
    for _ in range(4):
        study.enqueue_trial(values)
    with caplog.at_level("WARNING"):
        work(replace(job, total=2))
    assert f"trial 0 was enqueued, but is refused: {words}" in caplog.text
    refused, run = records(study)[:4], records(study)[4:]
    assert all(one.refused and one.state == TrialState.FAIL for one in refused)
    assert all(str(one.failure).startswith(f"refused: {words}") for one in refused)
    # What is run is what would have been run without them.
    assert [one.state for one in run] == [TrialState.COMPLETE] * 2
    assert outcomes(replace(job, total=2)) == outcomes(whole)


def test_a_trial_enqueued_within_the_space_is_run(job: Job) -> None:
    study = open_study(job.run)
    study.enqueue_trial({"fc.units": 24})
    work(replace(job, total=1))
    (trial,) = records(study)
    assert (trial.state, trial.params["fc.units"], trial.refused) == (
        TrialState.COMPLETE,
        24,
        False,
    )


def test_what_others_ask_for_outside_the_space_is_not_run_again(job: Job) -> None:
    """A process of another program took an enqueued trial, and died."""
    study = open_study(job.run)
    study.enqueue_trial({"fc.units": 512})
    study.ask()
    study.tell(0, state=TrialState.FAIL)
    work(replace(job, total=1))
    assert [(one.state, one.refused) for one in records(study)] == [
        (TrialState.FAIL, False),
        (TrialState.FAIL, True),
        (TrialState.COMPLETE, False),
    ]
