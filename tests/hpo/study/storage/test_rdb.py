import shutil
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

from hpo.run import run_study
from hpo.search.workers.queue import next_trial
from hpo.search.workers.worker import Job, work
from hpo.study.attempts import finished
from hpo.study.errors import StudyError
from hpo.study.open import open_finished, open_study
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.retry import no_retry
from hpo.training.resumable import ResumableTraining
from model.training.trainer import EpochResult
from tests.hpo.support import frozen, tiny_dataset, tiny_job


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_database_is_one_message_and_left_alone(job: Job, share: float) -> None:
    work(replace(job, total=1))
    copy = tiny_job(job.run.location.folder / "copy")
    copy.run.location.folder.mkdir(parents=True)
    file = copy.run.location.folder / "study.db"
    with (
        sqlite3.connect(job.run.location.folder / "study.db") as whole,
        sqlite3.connect(file) as other,
    ):
        whole.backup(other)
    whole.close()
    other.close()
    before = file.read_bytes()[: int(file.stat().st_size * share)]
    file.write_bytes(before)
    with pytest.raises(StudyError, match=r"is damaged or no database .* left as it"):
        open_study(copy.run)
    assert file.read_bytes() == before


def removed(folder: Path) -> None:
    (folder / "study.db").unlink()


def folder_removed(folder: Path) -> None:
    shutil.rmtree(folder)


def replaced(folder: Path) -> None:
    shutil.copyfile(folder / "study.db", folder / "backup")
    (folder / "backup").replace(folder / "study.db")


def losing(monkeypatch: pytest.MonkeyPatch, lose: Callable[[], None], when: str) -> list[int]:
    """Call ``lose`` in the second training or after it; return a list of the trainings so far."""
    train, trained = ResumableTraining.run, list[int]()

    def run(self: ResumableTraining, on_epoch: Callable[[EpochResult], bool]) -> Any:
        trained.append(len(trained))
        if len(trained) == 2 and when == "in a trial":
            lose()
        return train(self, on_epoch)

    def claim(*arguments: Any, **options: Any) -> Any:
        if len(trained) == 2 and when == "between trials":
            lose()
        return next_trial(*arguments, **options)

    monkeypatch.setattr(ResumableTraining, "run", run)
    monkeypatch.setattr("hpo.search.workers.worker.next_trial", claim)
    return trained


@pytest.mark.parametrize("lose", [removed, folder_removed, replaced])
@pytest.mark.parametrize("when", ["in a trial", "between trials"])
def test_a_file_that_goes_away_under_a_run_stops_it(
    job: Job, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Path], None], when: str
) -> None:
    folder, pauses = job.run.location.folder, list[float]()
    trained = losing(monkeypatch, lambda: lose(folder), when)
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=pauses.append)
    monkeypatch.setattr("hpo.study.storage.retry.time", clock)
    with pytest.raises(StudyError, match=r"was (removed|replaced) while|No such file"):
        work(job)
    assert len(trained) == 2
    assert not pauses
    # Nothing was put in its place.
    assert (folder / "study.db").exists() == (lose is replaced)


def test_the_command_says_that_its_file_is_gone(
    job: Job, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hpo.search.workers.heartbeat.HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr("hpo.terminal.progress.POLL_SECONDS", 0.05)
    train = ResumableTraining.run

    def run(self: ResumableTraining, on_epoch: Callable[[EpochResult], bool]) -> Any:
        shutil.rmtree(job.run.location.folder)
        time.sleep(0.3)  # its heartbeats and its display look meanwhile
        return train(self, on_epoch)

    monkeypatch.setattr(ResumableTraining, "run", run)
    with pytest.raises(StudyError, match=r"study\.db was removed while the study ran"):
        run_study(job.run)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_database_that_changes_while_it_is_opened_is_one_message(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    alembic = "optuna.storages._rdb.storage.alembic_migration"
    monkeypatch.setattr(f"{alembic}.MigrationContext.get_current_revision", lambda _: None)
    with pytest.raises(StudyError, match=r"study\.db was changed while it was opened"):
        open_study(job.run)


def test_a_database_of_another_version_is_one_message(job: Job) -> None:
    open_study(job.run)
    connection = sqlite3.connect(job.run.location.folder / "study.db")
    connection.execute("UPDATE alembic_version SET version_num = 'v9.9.9.a'")
    connection.commit()
    connection.close()
    with pytest.raises(StudyError, match="another version of Optuna"):
        open_study(job.run)


def deleted(location: StudyLocation) -> None:
    optuna.delete_study(study_name="tiny", storage=location.url)


def rolled_back(location: StudyLocation) -> None:
    file = location.sqlite_file()
    assert file is not None
    with sqlite3.connect(file, timeout=60) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            if table.startswith("trial"):
                connection.execute(f"DELETE FROM {table}")
    connection.close()


@pytest.mark.parametrize("lose", [deleted, rolled_back])
@pytest.mark.parametrize("when", ["in a trial", "between trials"])
def test_a_study_that_vanishes_under_a_run_stops_it(
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
    lose: Callable[[StudyLocation], None],
    when: str,
) -> None:
    losing(monkeypatch, lambda: lose(job.run.location), when)
    with pytest.raises(StudyError, match="deleted, renamed or rolled back while it ran"):
        work(replace(job, total=3))
    monkeypatch.undo()
    monkeypatch.setattr("hpo.training.data.load", lambda **_: tiny_dataset())
    work(replace(job, total=3))  # goes on with what is there
    assert finished(open_study(job.run)) == 3


WRITES = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("writing", flush=True)
time.sleep(600)
"""


def test_a_process_frozen_while_it_writes_is_named_and_waited_for(
    job: Job, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hpo.study.storage.sqlite.BUSY_SECONDS", 0.2)
    # It is waited for longer than a database that is away.
    monkeypatch.setattr("hpo.study.storage.retry.RETRY_SECONDS", 0)
    study, file = open_study(job.run), job.run.location.sqlite_file()
    command = [sys.executable, "-c", WRITES, file]
    with frozen(command, caplog, until="is locked", ends=signal.SIGKILL) as writer:
        study.set_user_attr("key", "value")
    assert study.user_attrs["key"] == "value"
    if Path("/proc/locks").exists():
        assert f"is locked by process {writer.pid} on {socket.gethostname()}, which" in caplog.text


def test_steps_of_our_own_fail_as_optunas_do(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    study = open_study(job.run)

    def away(*_: Any) -> Any:
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("server closed"))

    monkeypatch.setattr("sqlalchemy.engine.Engine.connect", away)
    with no_retry(), pytest.raises(StorageInternalError, match="server closed"):
        study.get_trials()


def test_a_database_without_tables_is_one_message(job: Job) -> None:
    open_study(job.run)
    file = job.run.location.sqlite_file()
    assert file is not None
    file.unlink()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE a (b)")
    with pytest.raises(
        StudyError, match=r"no such table.* still being copied: run the command again"
    ):
        open_finished(job.run.location)
