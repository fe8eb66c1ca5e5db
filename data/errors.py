"""The errors that bad data raises; commands print them as one message and exit non-zero."""


class DataError(Exception):
    """Data that cannot be used. The message says what, which value, and what to do."""


class DataUnavailable(DataError):  # noqa: N818 - a state of the world, told as one
    """Data that is not here and cannot be had now; ``auto`` then takes another source."""
