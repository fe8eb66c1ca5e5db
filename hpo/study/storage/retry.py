"""Waiting for a database that is away for a while: the one place where a study tries again."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

RETRY_SECONDS = 300.0
"""For how long a study under way tries to reach a database that does not answer."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0

_PASSES = ("locked", "busy", "unable to open database file")
"""What SQLite says of troubles that pass; a full disk, a damaged file and the like do not."""
_NEVER_PASSES = ("28", "53100")
"""PostgreSQL's codes, or how they begin: not allowed in, disk full."""

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
    end: float | None = None
    pause, told = _FIRST_PAUSE, False
    with no_retry():
        while True:
            try:
                return do()
            except Exception as error:
                now = time.monotonic()
                if end is None:
                    end = now + RETRY_SECONDS
                if not passes(error) or now >= end:
                    raise
                if not told and pause > 1:
                    told = True
                    _log.warning(
                        "the study's database does not answer; trying again for %.0f seconds",
                        end - now,
                    )
            time.sleep(min(pause, max(0.0, end - now)))
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
    from filelock import Timeout
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Timeout):
            return True
        if isinstance(cause, sqlite3.Error):
            return any(words in str(cause) for words in _PASSES)
        if isinstance(cause, DBAPIError) and not isinstance(cause.orig, sqlite3.Error):
            if str(getattr(cause.orig, "sqlstate", None) or "").startswith(_NEVER_PASSES):
                return False
            return cause.connection_invalidated or isinstance(
                cause, (OperationalError, InterfaceError)
            )
        cause = cause.__cause__ or cause.__context__
    return False
