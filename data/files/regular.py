"""Reading files that a stranger may have put there: nothing but regular files is ever opened."""

import errno
import stat
from pathlib import Path

MOST_TEXT = 2**26
"""Bytes; what this project writes as text is a thousand times smaller."""


def refuse_special(path: Path) -> None:
    """Refuse a pipe, which would make its reader wait for ever, and a device.

    Raises:
        OSError: the path is one, or a folder, or cannot be looked at.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))


def read_regular(path: Path, most: int = MOST_TEXT) -> bytes:
    """Return the file's bytes.

    Raises:
        OSError: it cannot be read, is no regular file, or holds more than ``most`` bytes.
    """
    refuse_special(path)
    size = path.stat().st_size
    if size > most:
        raise OSError(
            errno.EFBIG, f"it has {size:,} bytes, of at most {most:,} that it may have", str(path)
        )
    return path.read_bytes()
