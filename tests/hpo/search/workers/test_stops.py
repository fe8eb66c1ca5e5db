import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from hpo.search.workers import processes
from hpo.search.workers.heartbeat import process_of, this_process
from hpo.search.workers.queue import ATTEMPTS
from hpo.search.workers.stops import StopNotes, note_of, notes
from hpo.search.workers.worker import Job, work
from hpo.study.errors import StudyError
from hpo.study.open import open_study
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.rdb import RetryingStorage
from hpo.study.trials import records
from hpo.training.resumable import ResumableTraining
from model.training.trainer import EpochResult


def test_a_note_goes_with_a_folder_that_was_moved_away(tmp_path: Path) -> None:
    location = StudyLocation("x", tmp_path)
    location.folder.mkdir()
    with StopNotes(location) as stops:
        location.folder.rename(tmp_path / "aside")
        stops.leave(this_process())
        assert not location.folder.exists()
        assert list(notes(tmp_path / "aside")) == [note_of(this_process())]
        stops.take_back(this_process())
    assert not notes(tmp_path / "aside")


def test_where_no_note_can_be_left_nothing_is_made(tmp_path: Path) -> None:
    location = StudyLocation("x", tmp_path)
    with StopNotes(location) as stops:
        stops.leave(this_process())
        stops.take_back(this_process())
    assert not list(tmp_path.iterdir())


def deaf(ready: "multiprocessing.synchronize.Event") -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.set()
    time.sleep(600)


def test_a_worker_that_is_killed_on_request_has_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_STOP_SECONDS", 0.1)
    location = StudyLocation("x", tmp_path)
    location.folder.mkdir()
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    worker = context.Process(target=deaf, args=(ready,))
    worker.start()
    assert ready.wait(60)
    name = note_of(process_of(worker.pid or 0))
    with StopNotes(location) as stops:
        processes._stop([worker], stops)
    assert list(notes(location.folder)) == [name]


@pytest.mark.parametrize("fault", ["folder moved away", "disk full"])
def test_stops_for_want_of_a_database_never_count(
    job: Job, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    job, folder = replace(job, total=1), job.run.location.folder
    aside, train, stops = folder.with_name("aside"), ResumableTraining.run, ATTEMPTS + 1

    def unwritable(*_: object, **__: object) -> None:
        raise StorageInternalError("database or disk is full")

    def vanishing(self: ResumableTraining, on_epoch: Callable[[EpochResult], bool]) -> None:
        if fault == "disk full":
            monkeypatch.setattr(RetryingStorage, "set_trial_user_attr", unwritable)
            raise StorageInternalError("database or disk is full")
        folder.rename(aside)
        train(self, on_epoch)

    with monkeypatch.context() as patch:
        # The process of the trial, this one, is taken for gone by the next claim.
        patch.setattr("hpo.search.workers.heartbeat._is_gone", lambda worker: True)
        patch.setattr(ResumableTraining, "run", vanishing)
        user_attr = RetryingStorage.set_trial_user_attr
        for _ in range(stops):
            with pytest.raises(StudyError, match=r"was removed while|disk is full"):
                work(job)
            monkeypatch.setattr(RetryingStorage, "set_trial_user_attr", user_attr)
            if aside.exists():
                aside.rename(folder)
        patch.setattr(ResumableTraining, "run", train)
        work(job)
    last = records(open_study(job.run))[-1]
    assert (last.original_number, last.number, last.state) == (0, stops, TrialState.COMPLETE)
    assert not list(folder.glob("stopped-*"))
