"""The study's database: opened with care, locked among processes, waited for when it is away."""

import functools
import sqlite3
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import NOT_FOUND_MSG, TrialModel, TrialSystemAttributeModel
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import NullPool, StaticPool, create_engine, event, select, update
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from hpo.study.errors import StudyError
from hpo.study.storage import reading, sqlite
from hpo.study.storage.checked import CheckedStorage, checked
from hpo.study.storage.holder import holder
from hpo.study.storage.lock import _server_arguments
from hpo.study.storage.retry import retrying

_SERVER = {"pool_size": 1, "max_overflow": 0, "pool_pre_ping": True}


class _ChangedError(StudyError, KeyError):
    """As a KeyError it is what Optuna and its dashboard expect of a record that is not there."""

    def __str__(self) -> str:
        return (
            "the study is no longer in its database as it was: it was deleted, renamed or rolled "
            "back while it ran. Rerun the command to go on with what is there now"
        )


@contextmanager
def _explained_if_deleted() -> Iterator[None]:
    """Turn Optuna's error about a record that was there before into a `StudyError`."""
    try:
        yield
    except KeyError as error:
        if error.args != (NOT_FOUND_MSG,):
            raise
        raise _ChangedError from None


def _name_holder(file: Path, context: ExceptionContext) -> None:
    """Let the error of a file that is locked for long say by whom."""
    error = context.original_exception
    if isinstance(error, sqlite3.OperationalError) and "is locked" in str(error):
        by = holder(Path(f"{file.resolve()}-shm"), sqlite.WRITE_LOCK)
        error.args = (f"database is locked by {by} for {sqlite.BUSY_SECONDS:.0f} seconds",)


class RetryingStorage(CheckedStorage):
    """Optuna's database, each step of a running trial repeated while it is away.

    To repeat one is harmless, for it sets a value or reads. Making a trial is not among them: that
    is repeated by whoever claims the trial, as a whole and under the lock.

    A SQLite file that is removed or replaced can still be written to, and all of it is lost; so
    each step ends in a `StudyError` where that has happened.
    """

    def __init__(self, url: str, engine_kwargs: dict[str, Any], file: Path | None):
        super().__init__(url, engine_kwargs)
        if file is None:
            # Optuna opens a database over two connections at once; from here on there is one, for
            # all threads, and another for the study's lock.
            self.engine.dispose()
            self.engine = create_engine(self.url, **_SERVER, **engine_kwargs | {"poolclass": None})
            self.scoped_session = scoped_session(sessionmaker(bind=self.engine))
        self._file = file and file.absolute()
        self._identity = file and sqlite.identity(file)
        if file is not None:
            event.listen(self.engine, "handle_error", functools.partial(_name_holder, file))

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set a trial's state; return False if it should run and does not wait any more."""
        if state != TrialState.RUNNING:
            return super().set_trial_state_values(trial_id, state, values)
        # Optuna reads the state and then sets it, in SQLite in two transactions.
        with _create_scoped_session(self.scoped_session) as session:
            return self._start(session, trial_id)

    def claim(self, trial_id: int, key: str, value: Any) -> bool:
        """Set a waiting trial running, and its system attribute ``key``, in one transaction.

        Returns:
            Whether it did; False if the trial did not wait any more.
        """
        with _create_scoped_session(self.scoped_session) as session:
            started = self._start(session, trial_id)
            if started:
                attribute = TrialSystemAttributeModel, trial_id, key, value
                self._set_trial_attr_without_commit(session, *attribute)
        return started

    def _start(self, session: Session, trial_id: int) -> bool:
        waiting = TrialModel.trial_id == trial_id, TrialModel.state == TrialState.WAITING
        values = {"state": TrialState.RUNNING, "datetime_start": datetime.now()}
        start = update(TrialModel).where(*waiting).values(values)
        started = session.execute(start, execution_options={"synchronize_session": False})
        return bool(started.rowcount)  # type: ignore[attr-defined]

    @checked
    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        # Optuna keeps finished trials in memory, and asks for those after the last one it knows.
        known = included_trial_ids | {trial_id_greater_than} - {-1}
        where = TrialModel.study_id == study_id, TrialModel.trial_id.in_(known)
        with self.engine.connect() as connection:
            asked = select(TrialModel.trial_id, TrialModel.state).where(*where)
            found = {row.trial_id: row.state for row in connection.execute(asked)}
        last = found.get(trial_id_greater_than)
        if found.keys() != known or (last is not None and not last.is_finished()):
            raise _ChangedError
        return super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Append a trial; return its id."""
        with _explained_if_deleted():
            return super().create_new_trial(study_id, template_trial)

    def refuse_if_gone(self) -> None:
        """Raise a `StudyError` if the file is not the one that was opened."""
        if self._file is None:
            return
        try:
            if sqlite.identity(self._file) == self._identity:
                return
            what = "replaced"
        except FileNotFoundError:
            what = "removed"
        except OSError:
            return  # not to be told, and waited for like any disk that is away
        raise StudyError(
            f"the study's database {self._file} was {what} while the study ran, so nothing is kept "
            "from here on. Put it back, or a backup, then rerun the command"
        )


def _retrying(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def repeated(self: RetryingStorage, *arguments: Any, **options: Any) -> Any:
        def once() -> Any:
            self.refuse_if_gone()
            try:
                with _explained_if_deleted():
                    result = method(self, *arguments, **options)
            except SQLAlchemyError as error:
                # What Optuna's own steps raise, so that whoever lives with it lives with ours.
                raise StorageInternalError(str(error)) from error
            self.refuse_if_gone()
            return result

        return retrying(once)

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
    "claim",
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
):
    setattr(RetryingStorage, _name, _retrying(getattr(RetryingStorage, _name)))


@contextmanager
def _explained_if_of_another_version(file: Path | None) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise StudyError(
            f"{file or 'the database'} was made by another version of Optuna: {error}"
        ) from None
    except AssertionError:  # Optuna's, of the version that it has just written
        raise StudyError(
            f"{file or 'the database'} was changed while it was opened; run the command again"
        ) from None


def open_database(url: str, file: Path | None) -> RetryingStorage:
    """Return the database, made if it is not there; only one process at a time may.

    Args:
        url: the database's.
        file: where it lies, if it is one of SQLite.

    Raises:
        StudyError: it is damaged, of a version that cannot be read, or changed meanwhile.
        sqlite3.OperationalError: it cannot be opened.
    """
    engine: dict[str, Any]
    if file is not None:
        sqlite.make(file, new=not sqlite.check(file))
        engine = {"creator": functools.partial(sqlite.connect, file)}
    else:
        engine = {"connect_args": _server_arguments(url), "poolclass": StaticPool}
    with _explained_if_of_another_version(file):
        return RetryingStorage(url, engine, file)


def open_to_read(url: str, file: Path | None) -> RDBStorage:
    """Return the database as it is; a file is neither made nor changed.

    Args:
        url: the database's.
        file: where it lies, if it is one of SQLite.

    Raises:
        StudyError: it is not there, is damaged, or of a version that cannot be read.
        sqlite3.OperationalError: it cannot be opened.
    """
    # No connection outlives its transaction, on a server or here.
    engine: dict[str, Any] = {"poolclass": NullPool}
    if file is None:
        engine["connect_args"] = _server_arguments(url)
    elif sqlite.check(file):
        engine["creator"] = functools.partial(reading.connect, file)
    else:
        raise StudyError(f"there is no database {file}")
    with _explained_if_of_another_version(file):
        return CheckedStorage(url, engine, skip_table_creation=file is not None)
