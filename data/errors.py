"""The error that bad data raises; commands print it as one message and exit non-zero."""


class DataError(Exception):
    """Data that cannot be used. The message says what, which value, and what to do."""
