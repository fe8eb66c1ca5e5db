"""A file that is looked at stays as it is; what was killed, restored or damaged is made here."""

import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial
from sqlalchemy.exc import OperationalError

from hpo.study.errors import StudyError
from hpo.study.storage import sqlite
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.rdb import open_database


def add(study: optuna.Study, number: int) -> None:
    for _ in range(number):
        study.add_trial(
            create_trial(
                value=0.5,
                params={"x": 0.25},
                distributions={"x": FloatDistribution(0, 1)},
                user_attrs={"versions": "a line about as long as the real one" * 10},
            )
        )


@pytest.fixture
def study(tmp_path: Path) -> Iterator[optuna.Study]:
    file = tmp_path / "source" / "study.db"
    file.parent.mkdir()
    storage = open_database(StudyLocation("source", tmp_path).url, file)
    yield optuna.create_study(storage=storage, study_name="source", direction="maximize")
    storage.remove_session()
    storage.engine.dispose()


def killed(tmp_path: Path, name: str = "killed") -> StudyLocation:
    """Return where the study is that would be left, were all its processes killed now."""
    location = StudyLocation(name, tmp_path)
    location.folder.mkdir()
    for path in (tmp_path / "source").glob("study.db*"):
        shutil.copyfile(path, location.folder / path.name)
    assert (location.folder / "study.db-wal").stat().st_size > 0
    return location


def backup(tmp_path: Path, name: str) -> Path:
    """Return a backup as `sqlite3 .backup` makes it."""
    with (
        closing(sqlite3.connect(tmp_path / "source" / "study.db")) as source,
        closing(sqlite3.connect(tmp_path / name)) as target,
    ):
        source.backup(target)
    return tmp_path / name


def checkpointed(tmp_path: Path, name: str = "source") -> None:
    with closing(sqlite3.connect(tmp_path / name / "study.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(RESTART)")


def contents(location: StudyLocation) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in location.folder.glob("study.db*")}


def refused(location: StudyLocation, words: str) -> None:
    """Check that it is refused, and that neither it nor anything beside it changes."""
    before = contents(location)
    for _ in range(2):
        with pytest.raises(StudyError, match=words):
            location.database()
    assert contents(location) == before


def trials(location: StudyLocation) -> int:
    storage = location.database()
    try:
        (study,) = storage.get_all_studies()
        return storage.get_n_trials(study._study_id)
    finally:
        storage.remove_session()
        storage.engine.dispose()


@pytest.mark.parametrize("moment", range(4))
def test_what_killed_processes_leave_opens_whole(
    study: optuna.Study, tmp_path: Path, moment: int
) -> None:
    add(study, 3)
    if moment:
        checkpointed(tmp_path)
        # The next write starts the -wal anew.
        add(study, (0, 1, 20, 150)[moment])
    assert trials(killed(tmp_path)) == len(study.trials)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_kill_within_a_checkpoint_is_no_damage(
    study: optuna.Study, tmp_path: Path, share: float
) -> None:
    add(study, 3)
    checkpointed(tmp_path)
    add(study, 30)
    half, whole = killed(tmp_path), killed(tmp_path, "whole")
    # As far as it went, the pages of the -wal stand in the file, in order of their number.
    trials(whole)
    file = half.folder / "study.db"
    new = (whole.folder / "study.db").read_bytes()
    cut = int(len(new) * share) // 4096 * 4096
    file.write_bytes(new[:cut] + file.read_bytes()[cut:])
    assert trials(half) == 33


def test_a_backup_beside_the_wal_of_the_lost_file_is_refused(
    study: optuna.Study, tmp_path: Path
) -> None:
    add(study, 5)
    made = backup(tmp_path, "backup.db")
    checkpointed(tmp_path)
    copied = tmp_path / "copied.db"
    shutil.copyfile(tmp_path / "source" / "study.db", copied)
    add(study, 40)
    checkpointed(tmp_path)
    add(study, 10)
    for i, restored in enumerate((made, copied)):
        location = killed(tmp_path, f"restored{i}")
        shutil.copyfile(restored, location.folder / "study.db")
        refused(location, r"study\.db-wal was not written for .* move study\.db-wal away")
        # What it says to do is right.
        (location.folder / "study.db-wal").rename(tmp_path / f"wal{i}")
        (location.folder / "study.db-shm").unlink(missing_ok=True)
        assert trials(location) == 5


def test_another_study_beside_the_wal_is_refused(study: optuna.Study, tmp_path: Path) -> None:
    other = StudyLocation("other", tmp_path)
    other.folder.mkdir()
    storage = other.database()
    another = optuna.create_study(storage=storage, study_name="other")
    add(another, 9)
    checkpointed(tmp_path, "other")
    add(study, 20)
    location = killed(tmp_path)
    shutil.copyfile(other.folder / "study.db", location.folder / "study.db")
    refused(location, "was not written for")


@pytest.mark.parametrize("damage", ["cut", "noise", "header", "text"])
@pytest.mark.parametrize("wal", [True, False])
def test_a_damaged_file_is_left_as_it_is(
    study: optuna.Study, tmp_path: Path, damage: str, wal: bool
) -> None:
    add(study, 60)
    checkpointed(tmp_path)
    add(study, 1)
    location = killed(tmp_path)
    file = location.folder / "study.db"
    if not wal:
        for suffix in ("-wal", "-shm"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(
        {
            "cut": whole[:middle],
            "noise": whole[:middle] + random.Random(0).randbytes(9000) + whole[middle + 9000 :],
            "header": bytes(100) + whole[100:],
            "text": b"no database at all " * 300,
        }[damage]
    )
    refused(location, "is damaged or no database|was not written for")


def test_a_wal_without_its_file_is_not_thrown_away(study: optuna.Study, tmp_path: Path) -> None:
    add(study, 3)
    location = killed(tmp_path)
    for leave in (lambda file: file.unlink(), lambda file: file.write_bytes(b"")):
        leave(location.folder / "study.db")
        refused(location, r"study\.db is gone, but study\.db-wal beside it")


def test_a_file_moved_away_and_put_back_keeps_its_wal(study: optuna.Study, tmp_path: Path) -> None:
    add(study, 3)
    location = killed(tmp_path)
    file, aside = location.folder / "study.db", tmp_path / "aside"
    storage = location.database()
    storage.engine.dispose()
    wal = file.with_name("study.db-wal")
    for path in (tmp_path / "source").glob("study.db*"):  # what its last connection tidied up
        shutil.copyfile(path, location.folder / path.name)
    file.rename(aside)
    before = wal.read_bytes()
    # What connects to it in this moment, a pool or a worker that has just looked at it.
    with pytest.raises(OperationalError, match="unable to open"), storage.engine.connect():
        pass
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        sqlite.make(file, new=False)
    assert not file.exists()
    assert wal.read_bytes() == before
    aside.rename(file)
    assert trials(location) == 3


@contextmanager
def beside(program: str, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program on ``file`` while the block runs, from when it has printed a line."""
    process = subprocess.Popen([sys.executable, "-c", program, file], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_file_that_others_write_to_is_not_taken_for_damaged(
    study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n"
        "connection.execute('PRAGMA wal_autocheckpoint = 20')\n"
        "connection.execute('CREATE TABLE more (x)')\n"
        "print('writing', flush=True)\n"
        "while True:\n"
        "    connection.execute('INSERT INTO more VALUES (randomblob(3000))')\n"
    )
    file = tmp_path / "source" / "study.db"
    with beside(program, file) as writer:
        monkeypatch.setattr(sqlite, "_opened", set())
        end = time.monotonic() + 2
        while time.monotonic() < end:
            sqlite.check(file)
        assert writer.poll() is None


def test_what_takes_the_place_of_a_file_in_use_is_looked_at(
    study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backup(tmp_path, "backup.db")
    add(study, 5)
    checkpointed(tmp_path)
    add(study, 40)
    program = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('SELECT count(*) FROM trials').fetchall()\n"
        "print('open', flush=True)\ntime.sleep(60)\n"
    )
    file = tmp_path / "source" / "study.db"
    with beside(program, file):
        monkeypatch.setattr(sqlite, "_opened", set())
        assert sqlite._in_use(file)
        sqlite.check(file)
        made.replace(file)
        assert not sqlite._in_use(file)
        with pytest.raises(StudyError, match="was not written for"):
            sqlite.check(file)


def test_looking_lets_no_lock_go(study: optuna.Study, tmp_path: Path) -> None:
    add(study, 1)
    file = tmp_path / "source" / "study.db"
    program = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)\n"
        "try:\n    connection.execute('BEGIN IMMEDIATE')\n"
        "except sqlite3.OperationalError:\n    print('locked')\n"
    )
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        sqlite.check(file)
        done = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True)
    assert done.stdout == "locked\n"


def test_a_commit_is_on_disk(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    storage = open_database(f"sqlite:///{file}", file)
    with storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
