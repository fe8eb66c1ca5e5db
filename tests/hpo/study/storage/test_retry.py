import sqlite3

import pytest
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError, TimeoutError

from hpo.study.errors import StudyError
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.retry import no_retry, passes, retrying

AWAY = sqlite3.OperationalError("database is locked")


def refused(code: str) -> Exception:
    """Return an error as PostgreSQL's driver gives it."""
    error = Exception("refused")
    error.sqlstate = code  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize("words", ["database or disk is full", "database disk image is malformed"])
def test_what_never_passes_is_not_waited_for(words: str) -> None:
    calls = []

    def broken() -> None:
        calls.append(1)
        raise sqlite3.OperationalError(words)

    with pytest.raises(sqlite3.OperationalError):
        retrying(broken)
    assert len(calls) == 1


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("hpo.study.storage.retry.time.sleep", pauses.append)

    def away_for_a_while() -> int:
        if len(pauses) < 7:
            raise AWAY
        return len(pauses)

    assert retrying(away_for_a_while) == 7
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 10]


def test_the_outermost_tries_again_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that both waited would wait the one's pauses in each of the other's."""
    monkeypatch.setattr("hpo.study.storage.retry.time.sleep", lambda _: None)
    inner, outer = [], []

    def step() -> None:
        inner.append(1)
        if len(outer) < 3:
            raise AWAY

    def whole() -> str:
        outer.append(1)
        retrying(step)
        return "done"

    assert retrying(whole) == "done"
    assert (len(inner), len(outer)) == (3, 3)


def test_nothing_is_tried_again_where_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpo.study.storage.retry.time.sleep", lambda _: None)
    calls = []

    def away_once() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise AWAY
        return len(calls)

    with pytest.raises(sqlite3.OperationalError), no_retry():
        retrying(away_once)
    assert len(calls) == 1
    # In another thread, and afterwards, it is as before.
    with no_retry(), no_retry():
        pass
    calls.clear()
    assert retrying(away_once) == 2


def test_it_gives_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpo.study.storage.retry.RETRY_SECONDS", 0.3)

    def away() -> None:
        raise AWAY

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        retrying(away)


@pytest.mark.parametrize(
    "words", ["FATAL: too many connections for role", "sorry, too many clients already"]
)
def test_a_server_without_a_connection_left_is_an_answer_within_half_a_minute(
    monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("hpo.study.storage.retry.time.sleep", waited.append)
    monkeypatch.setattr("hpo.study.storage.retry.time.monotonic", lambda: sum(waited))

    def crowded() -> None:
        with StudyLocation("x", storage="postgresql://me@host/db").explained():
            raise OperationalError("SELECT 1", {}, Exception(words))

    with pytest.raises(StudyError, match=r"fewer --workers, or .* CONNECTION LIMIT"):
        retrying(crowded)
    assert 10 < sum(waited) < 25


def test_a_turn_at_the_connection_is_waited_for() -> None:
    assert passes(TimeoutError("QueuePool limit of size 1 overflow 0 reached"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AWAY, True),
        (sqlite3.OperationalError("database or disk is full"), False),
        (OperationalError("SELECT 1", {}, Exception("server closed the connection")), True),
        (InterfaceError("SELECT 1", {}, Exception("connection already closed")), True),
        (ProgrammingError("SELECT 1", {}, Exception("no such column")), False),
        (OperationalError("SELECT 1", {}, refused("28P01")), False),
        (OperationalError("SELECT 1", {}, refused("53100")), False),
        (OperationalError("SELECT 1", {}, refused("57P03")), True),
        (ValueError("a number"), False),
    ],
)
def test_what_passes(error: Exception, expected: bool) -> None:
    assert passes(error) is expected
    wrapped = StudyError("cannot be used")
    wrapped.__cause__ = error
    assert passes(wrapped) is expected
