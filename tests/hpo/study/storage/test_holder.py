import fcntl
import os
import socket
from pathlib import Path

import pytest

from hpo.study.storage import holder as module
from hpo.study.storage.holder import holder

NAME = f"process {os.getpid()} on {socket.gethostname()}"


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="this system lists no locks")
def test_the_holder_of_a_byte_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as stream:
        assert holder(file, 120) == "another process"
        fcntl.lockf(stream, fcntl.LOCK_EX, 1, 120)
        assert holder(file, 120) == NAME
        assert holder(file, 119) == holder(file, 121) == "another process"
        fcntl.lockf(stream, fcntl.LOCK_UN)
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert holder(file) == NAME
    assert holder(file) == "another process"


def test_of_a_file_that_is_gone_nothing_is_known(tmp_path: Path) -> None:
    assert holder(tmp_path / "gone") == "another process"


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="this system lists no locks")
def test_a_list_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locks of others that go leave half a line, and one that was in between is left out."""
    file = tmp_path / "file"
    with file.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        whole = Path("/proc/locks").read_text()
        broken = "1: POSIX  ADVISORY  *NOINODE*\n2: POSIX\n\n"
        texts = iter([broken, broken + whole])

        class Changing:
            def read_text(self, encoding: str) -> str:
                return next(texts)

        monkeypatch.setattr(module, "_LOCKS", Changing())
        assert holder(file) == NAME
