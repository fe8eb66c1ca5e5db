"""Errors of studies; commands print them as one message and exit non-zero."""

import difflib
from collections.abc import Iterable


class StudyError(Exception):
    """A study that cannot be run. The message says what, which value, and what to do."""


class ConfigError(StudyError):
    """A study file, or an option, that says something it must not."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean "<the nearest>"?``, or nothing where no known name is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
