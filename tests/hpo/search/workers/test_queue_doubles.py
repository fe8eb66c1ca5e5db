"""Trials that were appended twice: no configuration is run twice, or left out."""

from pathlib import Path

import pytest
from optuna.trial import TrialState

from hpo.search.workers.queue import next_trial
from hpo.search.workers.worker import work
from hpo.study.open import open_study
from hpo.study.samplers.table import trial_seed
from hpo.study.trials import enqueue, enqueue_retry, records
from tests.hpo.search.workers.test_queue import give_to
from tests.hpo.support import outcomes, tiny_job


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
