"""The study's lock: one process at a time, on this machine or on a server."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from filelock import FileLock, Timeout

from data.files.atomic import write_bytes
from hpo.study.errors import StudyError
from hpo.study.storage.holder import LOCK_SECONDS, TOLD_SECONDS, holder, process_name

_log = logging.getLogger(__name__)

_POSTGRES = {
    "connect_timeout": 10,
    # A server that vanished from the net is noticed within a minute, not within hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


_LOCK_TIMEOUT = "55P03"
_HOLDER = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted
    AND objid::bigint = (hashtext(:key)::bigint & 4294967295)
"""
"""Each process names itself to the server."""


@contextmanager
def file_lock(file: Path) -> Iterator[None]:
    """Hold the study in this SQLite file for oneself; a process that dies lets go.

    However the file is named, through links or not, its lock is the same.

    While another process holds it, that one is named; it may be frozen.

    Raises:
        StudyError: another process or thread held it for ``LOCK_SECONDS``.
        OSError: the file ``<file>.lock`` beside it cannot be made.
    """
    file = file.resolve()
    lock = Path(f"{file}.lock")

    def taken(seconds: float) -> Any:
        try:
            return FileLock(lock).acquire(seconds)
        except Timeout:
            return None

    with _in_turn(taken, lambda: holder(lock), f"the study's lock {lock}"):
        yield


def _in_turn(take: Callable[[float], Any], held_by: Callable[[], str], what: str) -> Any:
    """Return what ``take`` returns within some seconds, asked until it is not None."""
    end, told = time.monotonic() + LOCK_SECONDS, False
    while True:
        taken = take(min(TOLD_SECONDS, LOCK_SECONDS))
        if taken is not None:
            return taken
        if time.monotonic() >= end:
            raise StudyError(
                f"the study's database cannot be used: {held_by()} has held {what} for "
                f"{LOCK_SECONDS:.0f} seconds; stop it if it hangs, then try again"
            )
        if not told:
            _log.warning(
                "%s has held %s for %.0f seconds; this process waits until that one goes on or is "
                "gone", *(held_by(), what, TOLD_SECONDS)
            )  # fmt: skip
            told = True


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
        write_bytes(writer, process_name().encode())
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

        # It waits for nothing but its holder.
        run("SET LOCAL idle_in_transaction_session_timeout = 0")
        # So the server notices a client that vanished from the net while it held the lock.
        run("SET LOCAL tcp_keepalives_idle = 30")
        run("SET LOCAL tcp_keepalives_interval = 10")
        run("SET LOCAL tcp_keepalives_count = 3")
        key = f"siamese-hpo/{name}"

        def taken(seconds: float) -> Any:
            run(f"SET LOCAL lock_timeout = '{seconds * 1000:.0f}ms'")
            try:
                # Its end, but not its failure, is that of the whole transaction.
                with connection.begin_nested():
                    run("SELECT pg_advisory_xact_lock(hashtext(:key))", key=key)
            except sqlalchemy.exc.OperationalError as error:
                if getattr(error.orig, "sqlstate", None) != _LOCK_TIMEOUT:
                    raise
                return None
            return True

        def held_by() -> str:
            found = connection.execute(sqlalchemy.text(_HOLDER), {"key": key}).scalar()
            return f"{found or 'another process'}"

        _in_turn(taken, held_by, f"the lock of the study {name}")
        yield
        # A lock lost half way fails here, so that what was done under it is looked at again.
        run("SELECT 1")


def _server_arguments(url: str) -> dict[str, Any]:
    driver = sqlalchemy.make_url(url).get_driver_name()
    options = {**_POSTGRES, "application_name": process_name()}
    if driver == "psycopg":
        # A statement prepared on one connection of a pooler's is not known on the next.
        return {**options, "prepare_threshold": None}
    return options if driver == "psycopg2" else {}
