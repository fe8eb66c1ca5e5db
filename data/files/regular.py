"""Reading files that a stranger may have put there: nothing but regular files is ever opened."""

import errno
import stat
from pathlib import Path


def refuse_special(path: Path) -> None:
    """Refuse a pipe, which would make its reader wait for ever, and a device.

    Raises:
        OSError: the path is one, or a folder, or cannot be looked at.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))


def read_regular(path: Path) -> bytes:
    """Return the file's bytes.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    refuse_special(path)
    return path.read_bytes()
