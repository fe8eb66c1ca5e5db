"""Whatever goes wrong ends in a finished study or in one message, and the database opens after."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
import torch
from optuna.trial import TrialState
from typer.testing import CliRunner

import data.sources.table
import hpo.search.workers.heartbeat
import hpo.study.storage.retry
import hpo.study.storage.sqlite
import hpo.training.data
from hpo.search.workers.queue import next_trial
from hpo.search.workers.worker import MEMORY_FAILURES, Job, work
from hpo.study.attempts import finished
from hpo.study.errors import StudyError
from hpo.study.open import open_finished, open_study, remember_data
from hpo.study.record import record_study
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import TrialRecord
from hpo.training.resumable import ResumableTraining
from model.training.trainer import Trainer
from run_study import app
from tests import ROOT
from tests.hpo.support import damaged_pictures, opens, outcomes, tiny_job


def failing(monkeypatch: pytest.MonkeyPatch, fails: Callable[[int], Exception | None]) -> None:
    """Let the n-th training, counted from 1, raise ``fails(n)``."""
    train, count = ResumableTraining.run, 0

    def instead(self: ResumableTraining, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        if error := fails(count):
            raise error
        return train(self, *arguments)

    monkeypatch.setattr(ResumableTraining, "run", instead)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "cpu", "python"])
def test_out_of_memory_is_recorded_and_the_next_trial_runs(
    job: Job, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    # More in a row than of other failures, for large nets may follow each other.
    failing(monkeypatch, lambda n: error if n <= 5 else None)
    work(replace(job, total=1))
    trials = open_finished(job.run.location).trials
    assert [trial.state.name for trial in trials] == ["FAIL"] * 5 + ["COMPLETE"]
    assert (TrialRecord.of(trials[0]).failure or "").startswith(type(error).__name__)
    opens(job)


def test_memory_that_is_always_too_little_ends_the_study(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, lambda n: torch.OutOfMemoryError(f"out of memory, {n} bytes"))
    with pytest.raises(StudyError, match=rf"{MEMORY_FAILURES} trials in a row .* out of memory"):
        work(job)
    opens(job)


def test_a_net_that_blows_up_has_a_value(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Trainer.accumulate_gradients

    def blown(self: Trainer) -> torch.Tensor:
        with torch.no_grad():
            for parameter in self.net.parameters():
                parameter.fill_(float("nan"))
        return step(self)

    monkeypatch.setattr(Trainer, "accumulate_gradients", blown)
    work(replace(job, total=2))
    for trial in open_finished(job.run.location).trials:
        assert trial.state == TrialState.COMPLETE
        assert trial.value == pytest.approx(1 / job.run.config.validation.way, abs=0.15)
        assert TrialRecord.of(trial).diverged
    opens(job)


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("fault", ["full", "vanished"])
def test_checkpoints_that_cannot_be_written_cost_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    monkeypatch.setattr("hpo.training.resumable.CHECKPOINT_SECONDS", 0)
    quiet, job = tiny_job(tmp_path / "quiet"), tiny_job(tmp_path / "faulty")
    work(quiet)
    if fault == "full":
        # Torch has an error of its own for it.
        monkeypatch.setattr("data.files.sealed.SealedWriter.write", full)
    else:
        job.run.location.folder.mkdir(parents=True)
        job.run.location.checkpoints.write_text("no folder")
    with caplog.at_level("WARNING"):
        work(job)
    assert outcomes(job) == outcomes(quiet)
    assert [trial.state.name for trial in open_finished(job.run.location).trials] == [
        "COMPLETE"
    ] * 4
    warnings = [text for text in caplog.messages if "no checkpoint can be written" in text]
    assert len(warnings) == 1
    cause = {"full": "No space left on device, ", "vanished": "File exists, "}[fault]
    assert f"{job.run.location.checkpoints} ({cause}" in warnings[0]
    assert "MiB free); the training goes on" in warnings[0]
    opens(job)


def test_a_disk_full_for_the_database_is_one_message(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The trial that could not be told is soon missed, though its process, this one, lives on.
    monkeypatch.setattr("hpo.search.workers.heartbeat.GRACE_SECONDS", 0.5)
    work(replace(job, total=1))

    @sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
    def small(connection: Any, record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")

    try:
        with pytest.raises(StudyError, match="cannot be used: database or disk is full"):
            work(replace(job, total=20))
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", small)
    opens(job)
    work(job)
    assert finished(open_finished(job.run.location)) == 4


def test_a_real_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpo.search.workers.heartbeat.GRACE_SECONDS", 0.5)
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        job = tiny_job(folder, 500)
        with pytest.raises(StudyError, match=r"full|No space left|I/O error"):
            work(job)
        # With room again, the study goes on.
        subprocess.run(["mount", "-o", "remount,size=4m", str(folder)], check=True)
        done = finished(open_finished(job.run.location))
        work(replace(job, total=done + 1))
        assert finished(open_finished(job.run.location)) == done + 1
        opens(job)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


def test_a_database_locked_for_a_while_is_waited_for(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.study.storage.sqlite.BUSY_SECONDS", 0.05)
    open_study(job.run)
    lock = locked(job.run.location.folder / "study.db")
    lock.__enter__()
    timer = threading.Timer(2, lambda: lock.__exit__(None, None, None))
    timer.start()
    work(replace(job, total=1))
    timer.join()
    assert finished(open_finished(job.run.location)) == 1
    opens(job)


def test_a_database_locked_for_ever_is_one_message(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.study.storage.sqlite.BUSY_SECONDS", 0.05)
    monkeypatch.setattr("hpo.study.storage.retry.LOCK_SECONDS", 0.5)
    study = open_study(job.run)
    with locked(job.run.location.folder / "study.db"), pytest.raises(StudyError, match="is locked"):
        next_trial(study, job.run.location, 1, seed=0)
    opens(job)


def test_a_study_of_another_version_is_refused_with_the_difference(job: Job) -> None:
    study = open_study(job.run)
    remember_data(study, job.run, "one", "a" * 64)
    identity = dict(job.run.config.identity())
    del identity["validation.way"]
    record_study(study, config=identity | {"budget.gone_since": 3})
    with pytest.raises(StudyError, match=r"budget\.gone_since: was 3, now not there"):
        open_study(job.run)


def test_a_study_file_of_another_version_names_the_key(tmp_path: Path) -> None:
    file = tmp_path / "later.toml"
    text = (ROOT / "studies" / "smoke.toml").read_text()
    file.write_text(text.replace("[search]", "[search]\nfuture = 3"))
    result = CliRunner().invoke(app, ["--study", str(file), "--dry-run"])
    assert result.exit_code == 2
    assert 'unknown key "search.future"' in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("what", ["picture", "zip"])
def test_unreadable_data_are_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(hpo.training.data, "load", data.sources.table.load)
    monkeypatch.setenv("OMNIGLOT_ROOT", str(tmp_path / "omniglot"))
    if what == "picture":
        options = ["--dataset", str(damaged_pictures(tmp_path / "mine"))]
    else:
        (tmp_path / "omniglot").mkdir()
        for part in ("background", "evaluation"):
            archive = tmp_path / "omniglot" / f"images_{part}.zip"
            archive.write_bytes(b"PK\x03\x04" + bytes(5000))
        options = ["--dataset", "omniglot", "--data-root", str(tmp_path / "omniglot")]
    result = CliRunner().invoke(
        app, ["--study", "smoke", "--out", str(tmp_path / "out"), "--device", "cpu", *options]
    )
    assert result.exit_code == 1, result.output
    assert result.output.count("error:") == 1
    assert "Traceback" not in result.output
    open_finished(StudyLocation("smoke", tmp_path / "out"))


def test_a_read_only_folder_is_one_message() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        job = tiny_job(folder, 1)
        work(job)
        job.run.location.folder.chmod(0o555)
        # Nothing is forbidden to root.
        if os.getuid() == 0:
            os.seteuid(65534)
        try:
            for location in (job.run.location, StudyLocation("new", job.run.location.folder)):
                with pytest.raises(StudyError, match="cannot be used"):
                    open_study(replace(job.run, location=location))
        finally:
            os.seteuid(os.getuid())
        job.run.location.folder.chmod(0o755)
        opens(job)


def test_several_may_start_one_study_at_once(job: Job) -> None:
    start, studies = threading.Barrier(4), []

    def begin() -> None:
        start.wait()
        studies.append(open_study(job.run))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({study._study_id for study in studies}) == 1
    assert len(studies) == 4
    opens(job)
