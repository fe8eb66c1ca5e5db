"""Errors of studies; commands print them as one message and exit non-zero."""

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from functools import cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class StudyError(Exception):
    """A study that cannot be run. The message says what, which value, and what to do."""


class ConfigError(StudyError):
    """A study file, or an option, that says something it must not."""


class DamagedFitError(StudyError):
    """A file of a final fit that cannot be used. ``what`` is the message without its cure."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what}; fit again"


def refuse_outside(low: float, high: float, **values: Any) -> None:
    """Refuse what is no number from ``low`` to ``high``, whole if ``low`` is; None is none.

    Raises:
        ConfigError: one is not; says its name.
    """
    kind: Any
    kind, what = (Integral, "whole number") if isinstance(low, int) else (Real, "number")
    for name, value in values.items():
        if value is None:
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ConfigError(f"{name} = {value!r}: it must be a {what}")
        if not low <= value <= high:
            raise ConfigError(f"{name} = {value!r}: it must be from {low:,} to {high:,}")


def refuse_empty(**words: object) -> None:
    """Refuse empty or blank text, such as an unset variable leaves; a path would be another.

    Raises:
        ConfigError: one is empty; says its name.
    """
    for name, word in words.items():
        if isinstance(word, str) and not word.strip():
            raise ConfigError(f"{name} is empty; give it a value, or leave it out")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean "<the nearest>"?``, or nothing where no known name is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def refuse_impossible(record: type, values: Mapping[str, object], what: str) -> None:
    """Refuse values of the database that no version has written.

    Args:
        record: the dataclass whose fields they are, each of a type that pydantic reads.
        values: by the name of the field, as read from JSON.
        what: has them, such as ``study smoke``.

    Raises:
        StudyError: one is of another type, or its validators refuse it.
    """
    from pydantic import ValidationError  # which --help does not need

    for name, value in values.items():
        try:
            _reader(record, name).validate_python(value, strict=True)
        except ValidationError as error:
            raise StudyError(
                f"the study's database is damaged, or was changed by hand: {name} of {what} is "
                f"{reprlib.repr(value)} ({error.errors()[0]['msg']}). It is left as it is: put a "
                "backup in its place, or start anew with another --out"
            ) from None


@cache
def _reader(record: Any, name: str) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(record.__dataclass_fields__[name].type)
