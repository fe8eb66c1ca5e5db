"""Waiting for a database that is away for a while: the one place where a study tries again."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from hpo.study.storage.holder import LOCK_SECONDS

RETRY_SECONDS = 300.0
"""For how long a study under way tries to reach a database that does not answer."""
CROWDED_SECONDS = 20.0
"""The same for a server that has no connection left: that is rather a matter of settings."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0

_PASSES = ("locked", "busy", "unable to open database file")
"""What SQLite says of troubles that pass; a full disk, a damaged file and the like do not."""
_NEVER_PASSES = ("28", "53100")
"""PostgreSQL's codes, or how they begin: not allowed in, disk full."""

_CROWDED = ("too many connections", "too many clients", "connection slots")
_AWAY = "database does not answer; trying again for {:.0f} seconds"
_HELD = "{}; this process waits until that one goes on or is gone"

_log = logging.getLogger(__name__)
_thread = threading.local()
_Result = TypeVar("_Result")


def retrying(do: Callable[[], _Result]) -> _Result:
    """Return ``do()``, tried again with growing pauses while the database is away.

    ``do`` must bear to be repeated. Within another `retrying` it is that one that tries again, as
    a whole; within `no_retry` nothing is.

    Raises:
        Exception: what ``do`` raised last, if it never passes or lasts too long.
    """
    if getattr(_thread, "no_retry", False):
        return do()
    began: float | None = None
    pause, told = _FIRST_PAUSE, False
    with no_retry():
        while True:
            try:
                return do()
            except Exception as error:
                now, held = time.monotonic(), held_by_another(error)
                began = now if began is None else began
                seconds = CROWDED_SECONDS if is_crowded(error) else RETRY_SECONDS
                left = began + (LOCK_SECONDS if held else seconds) - now
                if not passes(error) or left <= 0:
                    raise
                if not told and (held or pause > 1):
                    told = True
                    _log.warning(
                        "the study's %s", _HELD.format(held) if held else _AWAY.format(left)
                    )
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)


@contextmanager
def no_retry() -> Iterator[None]:
    """Let this thread's troubles with the database show at once while the block runs."""
    before = getattr(_thread, "no_retry", False)
    _thread.no_retry = True
    try:
        yield
    finally:
        _thread.no_retry = before


def passes(error: BaseException) -> bool:
    """Return whether the error, or what it came from, is a database away for a while."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError

    for cause in _causes(error):
        if isinstance(cause, TimeoutError):  # another thread's turn at the connection took long
            return True
        if isinstance(cause, sqlite3.Error):
            return any(words in str(cause) for words in _PASSES)
        if isinstance(cause, DBAPIError) and not isinstance(cause.orig, sqlite3.Error):
            if str(getattr(cause.orig, "sqlstate", None) or "").startswith(_NEVER_PASSES):
                return False
            return cause.connection_invalidated or isinstance(
                cause, (OperationalError, InterfaceError)
            )
    return False


def is_crowded(error: BaseException) -> bool:
    """Return whether the error is that of a server that has no connection left."""
    from sqlalchemy.exc import DBAPIError

    return any(
        isinstance(cause, DBAPIError) and any(words in str(cause.orig) for words in _CROWDED)
        for cause in _causes(error)
    )


def held_by_another(error: BaseException) -> str | None:
    """Return what SQLite's lock waits for, if that is what the error says; see `sqlite.locked`."""
    for cause in _causes(error):
        if isinstance(cause, sqlite3.Error):
            return str(cause) if "locked by" in str(cause) else None
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
