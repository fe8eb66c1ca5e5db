"""The study's lock: one process at a time, on this machine or on a server."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from filelock import FileLock, Timeout

from data.files.atomic import write_bytes
from hpo.study.errors import StudyError

LOCK_SECONDS = 120.0
"""For how long a process waits for its turn at the whole study."""


_POSTGRES = {
    "connect_timeout": 10,
    # A server that vanished from the net is noticed within a minute, not within hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


@contextmanager
def file_lock(file: Path) -> Iterator[None]:
    """Hold the study in this SQLite file for oneself; a process that dies lets go.

    However the file is named, through links or not, its lock is the same.

    Raises:
        StudyError: another process or thread held it for ``LOCK_SECONDS``.
        OSError: the file ``<file>.lock`` beside it cannot be made.
    """
    file = file.resolve()
    try:
        held = FileLock(f"{file}.lock").acquire(LOCK_SECONDS)
    except Timeout as error:
        raise StudyError(
            f"the study's database {file} cannot be used: another process has held {file}.lock "
            f"for {LOCK_SECONDS:.0f} seconds; stop it if it hangs, then try again"
        ) from error
    with held:
        yield


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder of results for oneself among the processes of all machines that share it.

    Raises:
        StudyError: another process or thread holds it; says which.
        OSError: the files ``<folder>.lock`` and ``<folder>.writer`` beside it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    writer = folder.with_name(f"{folder.name}.writer")
    try:
        held = FileLock(folder.with_name(f"{folder.name}.lock")).acquire(timeout=0)
    except Timeout:
        try:
            name = writer.read_text(encoding="utf-8")
        except (OSError, ValueError):
            name = "another process"
        raise StudyError(
            f"{folder} is being written by {name}; run the command again when that has ended"
        ) from None
    with held:
        write_bytes(writer, f"process {os.getpid()} on {socket.gethostname()}".encode())
        try:
            yield
        finally:
            writer.unlink(missing_ok=True)


@contextmanager
def server_lock(url: str, name: str) -> Iterator[None]:
    """Hold the study ``name`` on this server for oneself; a connection that ends lets go.

    The lock is a transaction's, which stays on one connection of the server's even through a pooler
    such as PgBouncer, whose sessions change hands after each transaction.
    """
    engine = sqlalchemy.create_engine(
        url, poolclass=sqlalchemy.NullPool, connect_args=_server_arguments(url)
    )
    with engine.begin() as connection:

        def run(statement: str, **values: str) -> None:
            connection.execute(sqlalchemy.text(statement), values)

        run(f"SET LOCAL lock_timeout = '{LOCK_SECONDS:.0f}s'")
        # It waits for nothing but its holder.
        run("SET LOCAL idle_in_transaction_session_timeout = 0")
        # So the server notices a client that vanished from the net while it held the lock.
        run("SET LOCAL tcp_keepalives_idle = 30")
        run("SET LOCAL tcp_keepalives_interval = 10")
        run("SET LOCAL tcp_keepalives_count = 3")
        run("SELECT pg_advisory_xact_lock(hashtext(:key))", key=f"siamese-hpo/{name}")
        yield
        # A lock lost half way fails here, so that what was done under it is looked at again.
        run("SELECT 1")


def _server_arguments(url: str) -> dict[str, Any]:
    driver = sqlalchemy.make_url(url).get_driver_name()
    if driver == "psycopg":
        # A statement prepared on one connection of a pooler's is not known on the next.
        return {**_POSTGRES, "prepare_threshold": None}
    return dict(_POSTGRES) if driver == "psycopg2" else {}
