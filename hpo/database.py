"""The study's database: opened with care, locked among processes, waited for when it is away."""

import functools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from filelock import FileLock, Timeout
from optuna.storages import RDBStorage

from hpo.errors import StudyError
from hpo.patience import patiently

BUSY_SECONDS = 60.0
"""For how long one statement waits for another process's."""
LOCK_SECONDS = 120.0
"""For how long a process waits for its turn at the whole study."""

_POSTGRES = {
    "connect_timeout": 10,
    # A server that vanished from the net is noticed within a minute, not within hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


class PatientStorage(RDBStorage):
    """Optuna's database, each step of a running trial repeated while it is away.

    To repeat one is harmless, for it sets a value or reads. Making a trial is not among them: that
    is repeated by whoever claims the trial, as a whole and under the lock.
    """


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def repeated(self: PatientStorage, *arguments: Any, **options: Any) -> Any:
        return patiently(lambda: method(self, *arguments, **options))

    return repeated


for _name in (
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "set_study_user_attr",
    "set_study_system_attr",
    "get_trial",
    "_get_trials",
    "set_trial_param",
    "_set_trial_param",
    "set_trial_state_values",
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
):
    setattr(PatientStorage, _name, _patient(getattr(RDBStorage, _name)))


def open_database(url: str, file: Path | None) -> PatientStorage:
    """Return the database, made if it is not there; only one process at a time may.

    Args:
        url: the database's.
        file: where it lies, if it is one of SQLite.

    Raises:
        StudyError: it is damaged, or of a version that cannot be read.
    """
    if file is not None:
        _look_at(file)
        # A transaction that starts as a writer never finds, half way, that it is late.
        arguments: dict[str, Any] = {"timeout": BUSY_SECONDS, "isolation_level": "IMMEDIATE"}
    else:
        arguments = _server_arguments(url)
    try:
        return PatientStorage(url, {"connect_args": arguments, "pool_pre_ping": file is None})
    except RuntimeError as error:
        raise StudyError(
            f"{file or 'the database'} was made by another version of Optuna: {error}"
        ) from None


def _look_at(file: Path) -> None:
    """Refuse a damaged file before anything is written to it."""
    there = file.exists() and file.stat().st_size > 0
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS)
    try:
        if there:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(found)
        # Readers go on beside a writer; the mode stays with the file.
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise StudyError(
            f"{file} is damaged or no database ({' '.join(str(error).split())}). It is left as it "
            "is: put a copy in its place, or start anew with another --out"
        ) from None
    finally:
        connection.close()


@contextmanager
def file_lock(file: Path) -> Iterator[None]:
    """Hold the study in this SQLite file for oneself; a process that dies lets go.

    Raises:
        StudyError: another process or thread held it for ``LOCK_SECONDS``.
        OSError: the file ``<file>.lock`` beside it cannot be made.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
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
