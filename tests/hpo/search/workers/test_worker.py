import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import FixedTrial, TrialState

from hpo.search.objective import Objective
from hpo.search.workers.worker import Job, work
from hpo.study.config import StudyConfig
from hpo.study.errors import StudyError
from hpo.study.open import open_finished
from hpo.study.samplers.table import PRUNERS, SAMPLERS
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import HISTORY, finished
from hpo.training.checkpoints import Checkpoints
from hpo.training.data import load_data
from model.training.trainer import EpochResult, Trainer
from tests import ROOT
from tests.hpo.support import outcomes, tiny_config, tiny_dataset, tiny_job


def start(job: Job, epoch_seconds: float, **search: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.hpo.support", str(job.location.out), str(job.total)]
    return subprocess.Popen(
        [*command, str(epoch_seconds), json.dumps(search)], cwd=ROOT, start_new_session=True
    )


def wait_until(happened: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_study_runs_to_its_total_and_goes_on(job: Job) -> None:
    work(replace(job, total=2))
    work(replace(job, total=2))
    study = open_finished(job.location)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    assert study.trials[0].params == dict(job.config.space().initial_configurations[0])
    work(job)
    assert finished(open_finished(job.location)) == 4


def test_a_broken_study_equals_an_unbroken_one(tmp_path: Path) -> None:
    whole, broken = tiny_job(tmp_path / "whole"), tiny_job(tmp_path / "broken")
    work(whole)
    for total in (1, 2, 4):
        work(replace(broken, total=total))
    first, second = (open_finished(one.location).trials for one in (whole, broken))
    assert [t.params for t in first] == [t.params for t in second]
    assert [t.values for t in first] == [t.values for t in second]
    assert [t.intermediate_values for t in first] == [t.intermediate_values for t in second]


def test_a_trial_keeps_what_it_was(job: Job) -> None:
    work(replace(job, total=1))
    study = open_finished(job.location)
    trial = study.trials[0]
    attributes = trial.user_attrs
    history = trial.system_attrs[HISTORY]
    assert trial.value == max(result["one_shot_accuracy"] for result in history)
    assert trial.intermediate_values == {r["epoch"]: r["one_shot_accuracy"] for r in history}
    assert attributes["best_epoch"] in range(1, 4)
    assert attributes["pairs_seen"] == history[-1]["pairs_seen"]
    assert attributes["device"] == "cpu"
    assert attributes["parameters"] > 0
    assert attributes["seconds"] > 0
    assert f"optuna {optuna.__version__}" in attributes["versions"]
    assert 0 <= attributes["verification_accuracy"] <= 1
    assert study.user_attrs["data"] == {"name": "tiny", "digest": tiny_dataset().digest}


def test_no_test_drawing_enters_the_study(job: Job) -> None:
    inputs = load_data(job.config, None, "cpu")
    validation = inputs.validation
    for drawings in (inputs.train, validation.trials.drawings):
        names = {drawings.alphabet_names[i] for i in drawings.alphabet.unique()}
        assert "f" not in names
    assert len(validation.trials) == job.config.validation.trials


def test_the_objective_is_a_function_of_its_trial(job: Job) -> None:
    inputs = load_data(job.config, None, "cpu")
    objective = Objective(job.config, inputs, device="cpu")
    start = dict(job.config.space().initial_configurations[0])
    assert objective(FixedTrial(start)) == objective(FixedTrial(start))


def test_deadline_starts_no_trial(job: Job) -> None:
    work(replace(job, deadline=time.time() - 1))
    assert not open_finished(job.location).trials


def test_failures_are_recorded_and_replaced(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    train, calls = Objective._train, Counter[str]()

    def fail_once(self: Objective, *arguments: Any) -> Any:
        calls["train"] += 1
        if calls["train"] in (2, 3):
            raise MemoryError(f"no room for {calls['train']}")
        return train(self, *arguments)

    monkeypatch.setattr(Objective, "_train", fail_once)
    work(job)
    trials = open_finished(job.location).trials
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert [t.user_attrs["failure"] for t in failed] == [
        "MemoryError: no room for 2",
        "MemoryError: no room for 3",
    ]
    assert len(trials) == 6
    assert finished(open_finished(job.location)) == 4


def test_a_failure_that_comes_again_ends_the_study(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise OSError(28, "No space left on device", "/some/file")

    monkeypatch.setattr(Objective, "_train", fail)
    with pytest.raises(StudyError, match=r"3 trials in a row .* No space left on device$"):
        work(job)
    assert len(open_finished(job.location).trials) == 3


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_diverged_trial_is_worth_chance_or_pruned(
    tmp_path: Path, pruner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tiny_job(tmp_path, pruner=pruner)
    epoch = Trainer._epoch

    def diverge(self: Trainer, number: int) -> EpochResult:
        way = self.validation.trials.way
        return replace(
            epoch(self, number), diverged=True, loss=float("nan"), one_shot_accuracy=1 / way
        )

    monkeypatch.setattr(Trainer, "_epoch", diverge)
    work(replace(job, total=1))
    trial = open_finished(job.location).trials[0]
    assert trial.value == 1 / job.config.validation.way
    # Complete, it would be better than all pruned ones in the eyes of a sampler.
    prunes = PRUNERS[pruner].prunes
    assert trial.state == (TrialState.PRUNED if prunes else TrialState.COMPLETE)
    assert trial.user_attrs["diverged"]
    assert trial.system_attrs[HISTORY][0]["loss"] is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_process_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    whole, broken = tiny_job(tmp_path / "whole", 2), tiny_job(tmp_path / "broken", 2)
    work(whole)
    process = start(broken, epoch_seconds=0.3)
    # Stopped while its second trial runs and has a checkpoint.
    wait_until(lambda: (broken.location.checkpoints / "trial-00001.pt").exists())
    os.kill(process.pid, number)
    process.wait(30)
    work(broken)
    trials = open_finished(broken.location).trials
    assert [t.state.name for t in trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    again = trials[2]
    assert again.user_attrs["retry_of"] == 1
    assert again.params == trials[1].params
    assert again.user_attrs["resumed_after_epoch"] >= 1
    assert len(again.intermediate_values) == 3
    assert outcomes(broken) == outcomes(whole)
    assert not list(broken.location.checkpoints.iterdir())


def test_several_processes_end_at_the_total(tmp_path: Path) -> None:
    whole, shared = tiny_job(tmp_path / "whole", 6), tiny_job(tmp_path / "shared", 6)
    work(whole)
    processes = [start(shared, epoch_seconds=0.02) for _ in range(3)]
    wait_until(lambda: (shared.location.folder / "study.db").exists() and _running(shared))
    processes[0].kill()
    for process in processes[1:]:
        assert process.wait(90) == 0
    assert outcomes(shared) == outcomes(whole)
    assert len(outcomes(shared)) == 6


def _running(job: Job) -> bool:
    try:
        study = open_finished(job.location)
    except StudyError:
        return False
    return bool(study.get_trials(states=(TrialState.RUNNING,)))


def test_checkpoints_are_whole_tied_and_swept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(3, "key", {"value": torch.ones(2)})
    loaded = checkpoints.load(3, "key")
    assert loaded is not None
    assert torch.equal(loaded["value"], torch.ones(2))
    assert checkpoints.load(3, "other key") is None
    assert checkpoints.load(4, "key") is None
    path = next(checkpoints.folder.iterdir())
    path.write_bytes(path.read_bytes()[:-40])
    assert checkpoints.load(3, "key") is None
    checkpoints.save(4, "key", {})
    checkpoints.sweep(keep={4})
    assert [p.name for p in checkpoints.folder.iterdir()] == ["trial-00004.pt"]


def test_pruned_trials_count_and_keep_their_history(tmp_path: Path) -> None:
    job = tiny_job(tmp_path, 8, pruner="median", startup=2)
    work(job)
    trials = open_finished(job.location).trials
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned
    assert all(trial.system_attrs[HISTORY] for trial in pruned)
    assert len(trials) == 8


@pytest.mark.parametrize("pruner", [name for name, row in PRUNERS.items() if row.prunes])
def test_a_trial_that_came_to_its_end_is_complete(tmp_path: Path, pruner: str) -> None:
    job = tiny_job(tmp_path, 10, pruner=pruner, startup=2)
    work(job)
    for trial in open_finished(job.location).trials:
        ended = len(trial.system_attrs[HISTORY]) == job.config.budget.epochs
        assert trial.state == (TrialState.COMPLETE if ended else TrialState.PRUNED)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_conditional_parameters_are_searched(tmp_path: Path, sampler: str) -> None:
    raw = tiny_config(sampler=sampler, startup=1).model_dump()
    raw["parameters"] |= {
        "recipe.batch": {"choices": ["pairs", "episodes"]},
        "recipe.way": {"low": 2, "high": 5, "when": {"recipe.batch": "episodes"}},
    }
    raw["start"] = ()
    config = StudyConfig.model_validate(raw)
    job = Job(config=config, location=StudyLocation("tiny", tmp_path), total=3)
    work(job)
    for trial in open_finished(job.location).trials:
        assert trial.state == TrialState.COMPLETE
        assert ("recipe.way" in trial.params) == (trial.params["recipe.batch"] == "episodes")


def test_optuna_itself_can_read_the_study(job: Job) -> None:
    work(replace(job, total=2))
    study = optuna.load_study(study_name="tiny", storage=job.location.url)
    assert study.best_value == max(trial.value for trial in study.trials)
