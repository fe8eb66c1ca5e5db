"""Reading alone: nothing is made or changed, also where nothing can be."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from hpo.study.errors import StudyError
from hpo.study.open import open_finished, open_there, read_record
from hpo.study.storage import reading
from hpo.study.storage.location import StudyLocation
from tests import ROOT


@pytest.fixture
def location(tmp_path: Path) -> StudyLocation:
    """A study of three trials that no process has open."""
    location = StudyLocation("x", tmp_path)
    location.make_folder()
    storage = location.database()
    study = optuna.create_study(storage=storage, study_name="x", direction="maximize")
    for _ in range(3):
        study.add_trial(optuna.trial.create_trial(value=0.5))
    storage.remove_session()
    storage.engine.dispose()
    assert contents(location).keys() == {"study.db"}
    return location


def contents(location: StudyLocation) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in location.folder.iterdir()}


def unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reading find no leave to write, as on a read-only mount."""
    monkeypatch.setattr(reading, "can_write", lambda file: False)


def killed(location: StudyLocation, out: Path, *suffixes: str) -> StudyLocation:
    """Return the study with a fourth trial in its -wal, as a process that is killed leaves it."""
    left = StudyLocation("x", out)
    left.make_folder()
    with closing(sqlite3.connect(location.folder / "study.db")) as connection:
        connection.execute(
            "INSERT INTO trials (number, study_id, state, datetime_complete) "
            "SELECT 3, study_id, 'FAIL', CURRENT_TIMESTAMP FROM studies"
        )
        connection.commit()
        for name in ("study.db", *(f"study.db{suffix}" for suffix in suffixes)):
            shutil.copyfile(location.folder / name, left.folder / name)
    return left


def test_what_is_read_stays_alone(location: StudyLocation) -> None:
    before = contents(location)
    assert read_record(location) is not None
    assert len(open_finished(location).trials) == 3
    assert contents(location) == before


@pytest.mark.parametrize("suffixes", [("-wal",), ("-wal", "-shm")])
def test_what_was_last_written_is_read_where_nothing_can_be_written(
    location: StudyLocation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    suffixes: tuple[str, ...],
) -> None:
    location = killed(location, tmp_path / "killed", *suffixes)
    unwritable(monkeypatch)
    before = contents(location)
    assert len(open_finished(location).trials) == 4
    assert len(open_there(location).trials) == 4
    after = contents(location)
    assert {name: after.pop(name) for name in ("study.db", "study.db-wal")} == {
        name: before[name] for name in ("study.db", "study.db-wal")
    }
    assert after.keys() == before.keys() - {"study.db", "study.db-wal"}


def test_a_reader_sees_what_is_written_meanwhile(location: StudyLocation) -> None:
    reader, writer = open_finished(location), open_there(location)
    writer.add_trial(optuna.trial.create_trial(value=0.75))
    assert (len(reader.trials), reader.best_value) == (4, 0.75)
    with pytest.raises(optuna.exceptions.StorageInternalError):
        reader.add_trial(optuna.trial.create_trial(value=1.0))


def test_a_journal_of_a_process_that_was_killed_is_heeded(
    location: StudyLocation, tmp_path: Path
) -> None:
    file = location.folder / "study.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("PRAGMA cache_spill = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE trials SET state = 'RUNNING'")
        rows = ((f"key {i}", "x" * 4000) for i in range(50))
        connection.executemany("INSERT INTO study_user_attributes VALUES (NULL, 1, ?, ?)", rows)
        shutil.copytree(location.folder, tmp_path / "aside" / "x")
    left = StudyLocation("x", tmp_path / "aside")
    assert (left.folder / "study.db-journal").stat().st_size > 0
    before = contents(left)
    study = open_finished(left)
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
    assert not study.user_attrs
    assert contents(left) == before


MOUNTED = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
if touch "$1/probe" 2>/dev/null; then exit 77; fi
shift
exec "$@"
"""


def on_read_only_mount(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return what runs a command that finds the folder on a read-only mount."""

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = ["unshare", "-m", "sh", "-c", MOUNTED, "sh", str(folder), *map(str, words)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    if shutil.which("unshare") is None or (done := run("true")).returncode != 0:
        reason = "unshare is missing" if shutil.which("unshare") is None else done.stderr.strip()
        pytest.skip(f"no read-only mount can be made here: {reason}")
    return run


@pytest.mark.parametrize("left", [(), ("-wal",), ("-wal", "-shm")], ids="-".join)
def test_commands_on_a_read_only_mount(
    location: StudyLocation, tmp_path: Path, left: tuple[str, ...]
) -> None:
    run = on_read_only_mount(tmp_path)
    if left:
        location = killed(location, tmp_path / "killed", *left)
    program = """if True:
        import sys
        from pathlib import Path
        from hpo.dashboard import serve
        from hpo.report import write_report
        from hpo.study.errors import StudyError
        from hpo.study.open import open_finished
        from hpo.study.storage.location import StudyLocation
        from hpo.terminal.listing import list_studies
        location = StudyLocation("x", Path(sys.argv[1]))
        (listed,) = list_studies(location.out)
        print(listed.finished, len(open_finished(location).trials))
        server, _ = serve(location, port=18300)
        server.server_close()
        for writes in (lambda: write_report(location), lambda: location.exclusive().__enter__()):
            try:
                writes()
            except StudyError as error:
                print(error)
    """
    done = run(sys.executable, "-c", program, location.out)
    trials = 4 if left else 3
    message = (
        f"the study's folder {location.folder} cannot be used: Read-only file system; "
        "it is read-only here, and this command must write to it"
    )
    assert done.stdout.splitlines() == [f"3 {trials}", message, message], done.stderr


def test_a_file_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no study x"):
        open_finished(StudyLocation("x", tmp_path))
    assert not list(tmp_path.iterdir())
