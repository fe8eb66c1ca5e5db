"""No trial is given to two processes, and no configuration is run twice or left out."""

import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from optuna.trial import TrialState

from hpo.search.workers.heartbeat import this_process
from hpo.search.workers.queue import next_trial
from hpo.search.workers.worker import Job, work
from hpo.study.open import open_study
from hpo.study.samplers.table import trial_seed
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.rdb import RetryingStorage
from hpo.study.trials import claim, enqueue, enqueue_retry, records
from tests.hpo.search.workers.test_queue import give_to
from tests.hpo.support import claimed_at_once, outcomes, tiny_job


def test_no_configuration_is_run_twice_or_left_out_though_one_be_appended_twice(
    tmp_path: Path,
) -> None:
    quiet, job = tiny_job(tmp_path / "quiet"), tiny_job(tmp_path / "doubled")
    work(quiet)
    study = open_study(job.run)
    initial = job.run.config.space().initial_configurations
    for ordinal in (0, 0, 1, 1):
        values = initial[ordinal] if ordinal < len(initial) else {}
        enqueue(study, values, trial_seed(0, ordinal))
    work(job)
    assert outcomes(job) == outcomes(quiet)


def test_refused_trials_change_nothing_about_that(tmp_path: Path) -> None:
    quiet, job = tiny_job(tmp_path / "quiet"), tiny_job(tmp_path / "doubled")
    work(quiet)
    study = open_study(job.run)
    study.enqueue_trial({"fc.units": 512})
    for ordinal in (0, 1, 1):
        values = job.run.config.space().initial_configurations[ordinal : ordinal + 1]
        enqueue(study, values[0] if values else {}, trial_seed(0, ordinal))
    work(job)
    assert outcomes(job) == outcomes(quiet)


@pytest.mark.parametrize("dies", [False, True])
def test_no_configuration_is_run_twice_though_it_be_enqueued_for_retry_twice(
    tmp_path: Path, dies: bool
) -> None:
    quiet, job = tiny_job(tmp_path / "quiet"), tiny_job(tmp_path / "doubled")
    work(quiet)
    study = open_study(job.run)
    options = {"seed": 0, "initial_configurations": job.run.config.space().initial_configurations}
    dead = next_trial(study, job.run.location, 4, **options)
    assert dead is not None
    study.tell(dead, state=TrialState.FAIL)
    for _ in range(2):
        enqueue_retry(study, study.trials[0])
    if dies:  # the one that was left, after the other was ended
        again = next_trial(study, job.run.location, 4, **options)
        assert again is not None
        give_to(study, again, started="0")
    work(job)
    assert outcomes(job) == outcomes(quiet)
    assert [record.state for record in records(study)].count(TrialState.FAIL) == 2 + dies


def test_a_trial_runs_from_the_moment_that_its_process_is_known(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    study = open_study(job.run)
    enqueue(study, {}, 0)
    with monkeypatch.context() as patched:
        patched.setattr(RetryingStorage, "_set_trial_attr_without_commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next_trial(study, job.run.location, 2, seed=0)
    assert [record.state for record in records(study)] == [TrialState.WAITING]
    trial = next_trial(study, job.run.location, 2, seed=0)
    assert trial is not None
    # Who comes too late does not put another name there.
    assert not claim(study, trial._trial_id, {"pid": 0})
    assert records(study)[0].worker == this_process()


def test_slots_are_never_given_twice(job: Job) -> None:
    claimed: list[int] = []

    def take() -> None:
        study = open_study(job.run)
        while (trial := next_trial(study, job.run.location, 6, seed=0)) is not None:
            claimed.append(trial.number)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(6))


def test_a_trial_is_claimed_once_though_the_lock_be_broken(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudyLocation, "exclusive", lambda _: nullcontext())
    claimed = claimed_at_once(job, threads=3, rounds=5)
    assert len(claimed) > 3
    assert len(set(claimed)) == len(claimed)
