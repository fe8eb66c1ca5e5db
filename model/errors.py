"""The error of a saved net; commands print it as one message and exit non-zero."""


class ModelError(Exception):
    """A saved net that cannot be used. The message says what, which value, and what to do."""


class DeviceError(ModelError):
    """A device that is not here. The message says which, and what to give."""
