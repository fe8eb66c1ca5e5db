"""The study's lock: one process at a time, on this machine or on a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from filelock import FileLock, Timeout

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

    Raises:
        StudyError: another process or thread held it for ``LOCK_SECONDS``.
        OSError: the file ``<file>.lock`` beside it cannot be made.
    """
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
def server_lock(url: str, name: str) -> Iterator[None]:
    """Hold the study ``name`` on this server for oneself; a connection that ends lets go."""
    engine = sqlalchemy.create_engine(
        url, poolclass=sqlalchemy.NullPool, connect_args=_server_arguments(url)
    ).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:

        def run(statement: str, **values: str) -> None:
            connection.execute(sqlalchemy.text(statement), values)

        run(f"SET lock_timeout = '{LOCK_SECONDS:.0f}s'")
        # So the server notices a client that vanished from the net while it held the lock.
        run("SET tcp_keepalives_idle = 30")
        run("SET tcp_keepalives_interval = 10")
        run("SET tcp_keepalives_count = 3")
        run("SELECT pg_advisory_lock(hashtext(:key))", key=f"siamese-hpo/{name}")
        yield
        # A lock lost half way fails here, so that what was done under it is looked at again.
        run("SELECT 1")


def _server_arguments(url: str) -> dict[str, Any]:
    driver = sqlalchemy.make_url(url).get_driver_name()
    return dict(_POSTGRES) if driver in ("psycopg", "psycopg2") else {}
