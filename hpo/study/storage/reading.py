"""A study's SQLite file opened to be read alone, also where nothing can be written."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from hpo.study.storage import sqlite


def connect(file: Path) -> sqlite3.Connection:
    """Return a connection that neither makes nor changes a file.

    It is for one transaction: what it opens depends on what lies beside the file at that moment.

    Raises:
        sqlite3.OperationalError: the file is not there, or cannot be opened.
        OSError: it cannot be read.
    """
    file = file.resolve()
    wal, shm, journal = (Path(f"{file}{suffix}") for suffix in ("-wal", "-shm", "-journal"))
    if sqlite.size(journal) > 0:
        return _snapshot(file)
    if not wal.exists():
        # Otherwise SQLite would make a -wal and leave it there.
        return _opened(file, "immutable=1")
    if can_write(file) or shm.exists():
        return _opened(file, "mode=ro")
    return _snapshot(file)


def can_write(file: Path) -> bool:
    """Return whether this process may write to the file, and make files beside it."""
    return os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)


def _opened(file: Path, option: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{file.as_uri()}?{option}",
        uri=True,
        timeout=sqlite.BUSY_SECONDS,
        check_same_thread=False,
    )


def _snapshot(file: Path) -> sqlite3.Connection:
    """Return the content in memory: to read its journal SQLite must write beside the file."""
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    with sqlite.copied(file) as (copy, _), closing(sqlite3.connect(copy)) as source:
        source.backup(memory)
    return memory
