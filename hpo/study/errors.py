"""Errors of studies; commands print them as one message and exit non-zero."""


class StudyError(Exception):
    """A study that cannot be run. The message says what, which value, and what to do."""


class ConfigError(StudyError):
    """A study file, or an option, that says something it must not."""
