import json
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from hpo.search.workers.worker import Job, error_of, work
from hpo.study.attempts import finished, latest_attempts
from hpo.study.config import StudyConfig
from hpo.study.errors import StudyError
from hpo.study.open import open_finished, open_study
from hpo.study.samplers.table import SAMPLERS
from hpo.study.trials import TrialRecord, records
from hpo.training.resumable import ResumableTraining
from tests import ROOT
from tests.hpo.support import outcomes, tiny_config, tiny_dataset, tiny_job
from tests.python import Python


def start(job: Job, epoch_seconds: float, **search: Any) -> Python:
    command = ["-m", "tests.hpo.support", job.run.location.out, job.total, epoch_seconds]
    return Python([*command, json.dumps(search)], cwd=ROOT, start_new_session=True)


def wait_until(happened: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_study_runs_to_its_total_and_goes_on(job: Job) -> None:
    work(replace(job, total=2))
    work(replace(job, total=2))
    study = open_finished(job.run.location)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    assert study.trials[0].params == dict(job.run.config.space().initial_configurations[0])
    work(job)
    assert finished(open_finished(job.run.location)) == 4


def test_a_broken_study_equals_an_unbroken_one(tmp_path: Path) -> None:
    whole, broken = tiny_job(tmp_path / "whole"), tiny_job(tmp_path / "broken")
    work(whole)
    for total in (1, 2, 4):
        work(replace(broken, total=total))
    first, second = (open_finished(one.run.location).trials for one in (whole, broken))
    assert [t.params for t in first] == [t.params for t in second]
    assert [t.values for t in first] == [t.values for t in second]
    assert [t.intermediate_values for t in first] == [t.intermediate_values for t in second]


def test_a_trial_keeps_what_it_was(job: Job) -> None:
    work(replace(job, total=1))
    study = open_finished(job.run.location)
    trial = study.trials[0]
    record = TrialRecord.of(trial)
    history = record.history
    assert trial.value == max(result["one_shot_accuracy"] for result in history)
    assert trial.intermediate_values == {r["epoch"]: r["one_shot_accuracy"] for r in history}
    assert record.best_epoch in range(1, 4)
    assert record.pairs_seen == history[-1]["pairs_seen"]
    assert record.device == "cpu"
    assert record.parameters is not None
    assert record.parameters > 0
    assert record.seconds > 0
    assert f"optuna {optuna.__version__}" in (record.versions or "")
    assert 0 <= (record.verification_accuracy or -1) <= 1
    assert study.user_attrs["data"] == {"name": "tiny", "digest": tiny_dataset().digest}


@pytest.mark.parametrize("step", ["record_baseline", "known_identity", "open_configurations"])
def test_a_database_that_goes_while_a_worker_starts_is_one_message(
    job: Job, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def gone(*_: object) -> None:
        raise StorageInternalError("no such table")

    monkeypatch.setattr(f"hpo.search.workers.worker.{step}", gone)
    with pytest.raises(StudyError, match="cannot be used: no such table"):
        work(job)


def test_no_worker_begins_a_study_where_its_own_is_gone(job: Job) -> None:
    """One that replaces a dead worker, while the server's tables are gone, for example."""
    assert "there is no study tiny" in (error_of(job) or "")
    open_study(job.run)
    optuna.delete_study(study_name="tiny", storage=job.run.location.url)
    assert "tiny" in (error_of(job) or "")
    assert optuna.get_all_study_names(job.run.location.url) == []


def test_deadline_starts_no_trial(job: Job) -> None:
    work(replace(job, deadline=time.time() - 1))
    assert not open_finished(job.run.location).trials


def test_failures_are_recorded_and_replaced(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    train, calls = ResumableTraining.run, Counter[str]()

    def fail_once(self: ResumableTraining, *arguments: Any) -> Any:
        calls["train"] += 1
        if calls["train"] in (2, 3):
            raise MemoryError(f"no room for {calls['train']}")
        return train(self, *arguments)

    monkeypatch.setattr(ResumableTraining, "run", fail_once)
    work(job)
    trials = open_finished(job.run.location).trials
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert [TrialRecord.of(t).failure for t in failed] == [
        "MemoryError: no room for 2",
        "MemoryError: no room for 3",
    ]
    assert len(trials) == 6
    assert finished(open_finished(job.run.location)) == 4


def test_a_failure_that_comes_again_ends_the_study(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise OSError(28, "No space left on device", "/some/file")

    monkeypatch.setattr(ResumableTraining, "run", fail)
    with pytest.raises(StudyError, match=r"3 trials in a row .* No space left on device$"):
        work(job)
    assert len(open_finished(job.run.location).trials) == 3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_process_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    whole, broken = tiny_job(tmp_path / "whole", 2), tiny_job(tmp_path / "broken", 2)
    work(whole)
    process = start(broken, epoch_seconds=0.3)
    # Stopped while its second trial runs and has a checkpoint.
    wait_until(lambda: (broken.run.location.checkpoints / "trial-00001.pt").exists())
    os.kill(process.pid, number)
    process.wait(30)
    work(broken)
    trials = open_finished(broken.run.location).trials
    assert [t.state.name for t in trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    again = trials[2]
    record = TrialRecord.of(again)
    assert record.original_number == 1
    assert again.params == trials[1].params
    assert (record.resumed_after_epoch or 0) >= 1
    assert len(again.intermediate_values) == 3
    assert outcomes(broken) == outcomes(whole)
    assert not list(broken.run.location.checkpoints.iterdir())


def test_several_processes_end_at_the_total(tmp_path: Path) -> None:
    whole, shared = tiny_job(tmp_path / "whole", 6), tiny_job(tmp_path / "shared", 6)
    work(whole)
    processes = [start(shared, epoch_seconds=0.2) for _ in range(3)]
    wait_until(lambda: (shared.run.location.folder / "study.db").exists() and _running(shared))
    processes[0].kill()
    for process in processes[1:]:
        assert process.wait(90) == 0
    assert outcomes(shared) == outcomes(whole)
    assert len(outcomes(shared)) == 6


def test_several_processes_promote_and_end_at_the_total(tmp_path: Path) -> None:
    """Though one is killed; of six, two go on from the first rung, each from its checkpoint."""
    shared = tiny_job(tmp_path, 6, pruner="asha")
    processes = [start(shared, epoch_seconds=0.2, pruner="asha") for _ in range(2)]
    wait_until(lambda: (shared.run.location.folder / "study.db").exists() and _running(shared))
    processes[0].kill()
    assert processes[1].wait(90) == 0
    found = records(open_finished(shared.run.location))
    ends = latest_attempts(found).values()
    assert finished(open_finished(shared.run.location)) == len(ends) == 6
    assert sum(record.epochs > 1 for record in ends) >= 2
    assert all(r.resumed_after_epoch for r in found if r.promoted_after_epoch)


def _running(job: Job) -> bool:
    try:
        study = open_finished(job.run.location)
    except StudyError:
        return False
    return bool(study.get_trials(states=(TrialState.RUNNING,)))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_conditional_parameters_are_searched(tmp_path: Path, sampler: str) -> None:
    raw = tiny_config(sampler=sampler, startup=1).model_dump()
    raw["parameters"] |= {
        "recipe.batch": {"choices": ["pairs", "episodes"]},
        "recipe.way": {"low": 2, "high": 5, "when": {"recipe.batch": "episodes"}},
    }
    raw["start"] = ()
    run = replace(tiny_job(tmp_path).run, config=StudyConfig.model_validate(raw))
    job = Job(run=run, total=3)
    work(job)
    for trial in open_finished(job.run.location).trials:
        assert trial.state == TrialState.COMPLETE
        assert ("recipe.way" in trial.params) == (trial.params["recipe.batch"] == "episodes")


def test_optuna_itself_can_read_the_study(job: Job) -> None:
    work(replace(job, total=2))
    study = optuna.load_study(study_name="tiny", storage=job.run.location.url)
    assert study.best_value == max(trial.value for trial in study.trials)
