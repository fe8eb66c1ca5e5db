import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hpo.study.errors import StudyError
from hpo.study.storage.lock import file_lock, folder_lock
from hpo.study.storage.retry import passes
from tests.hpo.support import frozen

HOLDS = """
import sys, time
from pathlib import Path
from hpo.study.storage.lock import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_thread_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    inside, most = 0, 0
    count = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with file_lock(tmp_path / "study.db"):
                with count:
                    inside += 1
                    most = max(most, inside)
                threading.Event().wait(0.002)
                with count:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_process_that_is_killed_lets_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "study.db"
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, file], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        monkeypatch.setattr("hpo.study.storage.lock.LOCK_SECONDS", 0.2)
        with pytest.raises(StudyError) as caught, file_lock(file):
            raise AssertionError("two hold the lock")
        named = f"cannot be used: process {holder.pid} on {socket.gethostname()} has held"
        for part in (named, f"{file}.lock", "seconds", "stop it"):
            assert part in str(caught.value)
        assert not passes(caught.value)
        # Another study's lock is another's.
        with file_lock(tmp_path / "other.db"):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with file_lock(file):
        pass


@pytest.mark.parametrize("ends", [signal.SIGCONT, signal.SIGKILL])
def test_a_frozen_holder_is_named_and_waited_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    ends: signal.Signals,
) -> None:
    monkeypatch.setattr("hpo.study.storage.lock.TOLD_SECONDS", 0.2)
    program = HOLDS.replace("600", "0.3")
    file = tmp_path / "study.db"
    command = [sys.executable, "-c", program, file]
    with frozen(command, caplog, until="has held", ends=ends) as holder, file_lock(file):
        pass
    words = f"process {holder.pid} on {socket.gethostname()}, which is stopped (kill -CONT"
    assert caplog.text.count(words) == 1


def test_it_is_let_go_after_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpo.study.storage.lock.LOCK_SECONDS", 0.2)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), file_lock(tmp_path / "study.db"):
            raise KeyboardInterrupt


def test_the_lock_file_of_an_earlier_version_is_taken_as_it_is(tmp_path: Path) -> None:
    earlier = sqlite3.connect(f"{tmp_path / 'study.db'}.lock", isolation_level=None)
    earlier.execute("CREATE TABLE content (x)")
    earlier.close()
    with file_lock(tmp_path / "study.db"):
        pass
    with sqlite3.connect(f"{tmp_path / 'study.db'}.lock") as kept:
        assert kept.execute("SELECT count(*) FROM content").fetchone() == (0,)
    kept.close()


def test_a_folder_of_results_has_one_writer_who_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "final"
    program = HOLDS.replace("file_lock", "folder_lock")
    holder = subprocess.Popen([sys.executable, "-c", program, folder], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for _ in range(2):
            words = f"{folder} is being written by process {holder.pid} on .*run the command again"
            with pytest.raises(StudyError, match=words), folder_lock(folder):
                raise AssertionError("two hold it")
        with folder_lock(folder.with_name("final-trial-0")):
            pass
    finally:
        holder.kill()
        holder.communicate()
    for _ in range(2):
        with folder_lock(folder):
            pass
    assert not list(folder.parent.glob("*.writer"))


def test_a_file_has_one_lock_under_every_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.study.storage.lock.LOCK_SECONDS", 0.1)
    file = tmp_path / "one" / "study.db"
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    (tmp_path / "other" / "study.db").symlink_to(file)
    (tmp_path / "linked").symlink_to(tmp_path / "one")
    monkeypatch.chdir(tmp_path / "one")
    names = [tmp_path / "other" / "study.db", tmp_path / "linked" / "study.db", Path("study.db")]
    with file_lock(file):
        for name in names:
            with pytest.raises(StudyError, match="has held"), file_lock(name):
                raise AssertionError("two hold the lock")
    assert sorted(path.name for path in tmp_path.rglob("*.lock")) == ["study.db.lock"]
