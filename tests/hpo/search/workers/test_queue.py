import threading
import time
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from hpo.search.objective import Objective
from hpo.search.workers.heartbeat import HeartbeatMonitor
from hpo.search.workers.queue import ATTEMPTS, next_trial
from hpo.search.workers.worker import Job, run_trial, work
from hpo.study.open import open_study
from hpo.study.trials import HISTORY, SUGGESTED, finished
from hpo.training.data import load_data
from tests.hpo.support import outcomes, tiny_job


def test_the_dead_are_tried_again_once_and_not_for_ever(job: Job) -> None:
    study = open_study(job.config, job.location)
    options = {"seed": 0, "starts": job.config.space().initial_configurations}
    for _ in range(ATTEMPTS):
        trial = next_trial(study, job.location, 2, **options)
        assert trial is not None
        assert trial.user_attrs.get("retry_of", 0) == 0
        # As if its process, on this machine, had died.
        dead = trial.user_attrs["worker"] | {"started": "0"}
        study._storage.set_trial_user_attr(trial._trial_id, "worker", dead)
    assert len(study.trials) == ATTEMPTS
    trial = next_trial(study, job.location, 2, **options)
    assert trial is not None
    assert "retry_of" not in trial.user_attrs
    assert next_trial(study, job.location, 1, **options) is None


def test_a_configuration_half_drawn_is_drawn_again_the_same(tmp_path: Path) -> None:
    whole, broken = tiny_job(tmp_path / "whole", 2), tiny_job(tmp_path / "broken", 2)
    work(whole)
    work(replace(broken, total=1))
    study = open_study(broken.config, broken.location)
    trial = next_trial(study, broken.location, 2, seed=0)
    assert trial is not None
    trial.suggest_int("conv1.filters", 2, 6, step=2)
    dead = trial.user_attrs["worker"] | {"started": "0"}
    study._storage.set_trial_user_attr(trial._trial_id, "worker", dead)
    work(broken)
    assert outcomes(broken) == outcomes(whole)


def test_a_trial_tried_again_has_its_parameters_and_no_history_yet(job: Job) -> None:
    study = open_study(job.config, job.location)
    work(replace(job, total=1))
    (first,) = study.trials
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.FAIL,
            params=first.params,
            distributions=first.distributions,
            user_attrs={SUGGESTED: first.user_attrs[SUGGESTED]},
            system_attrs=first.system_attrs,
        )
    )
    again = next_trial(study, job.location, 3, seed=0)
    assert again is not None
    assert again.params == first.params
    assert HISTORY in first.system_attrs
    assert HISTORY not in study.trials[again.number].system_attrs


def test_slots_are_never_given_twice(job: Job) -> None:
    claimed: list[int] = []

    def take() -> None:
        study = open_study(job.config, job.location)
        while (trial := next_trial(study, job.location, 6, seed=0)) is not None:
            claimed.append(trial.number)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(6))


def test_a_silent_trial_of_another_machine_is_taken_over(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.search.workers.heartbeat.GRACE_SECONDS", 1)
    study, monitor = open_study(job.config, job.location), HeartbeatMonitor()
    trial = next_trial(study, job.location, 1, seed=0)
    assert trial is not None
    elsewhere = trial.user_attrs["worker"] | {"machine": "elsewhere"}
    study._storage.set_trial_user_attr(trial._trial_id, "worker", elsewhere)
    assert next_trial(study, job.location, 1, seed=0, monitor=monitor) is None
    time.sleep(1.1)
    again = next_trial(study, job.location, 1, seed=0, monitor=monitor)
    assert again is not None
    assert again.user_attrs["retry_of"] == trial.number
    # The one taken for dead comes back: its result is not counted.
    objective = Objective(job.config, load_data(job.config, None, "cpu"), device="cpu")
    assert run_trial(study, trial, objective) is None
    assert finished(study) == 0
