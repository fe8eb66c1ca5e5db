"""Who holds a lock that others wait for: so that it can be said whom to end."""

import os
import socket
from pathlib import Path

LOCK_SECONDS = 3600.0
"""For how long one waits for a process that holds a lock, which may be frozen, before it is an
error: it lets go as soon as it goes on or is gone."""
TOLD_SECONDS = 10.0
"""After so long it is said who holds it."""
_LOCKS, _LOOKS = Path("/proc/locks"), 3
"""Where Linux lists all locks, and how often it is looked at: one may be left out while others
come and go."""


def process_name() -> str:
    """Return what another process is told of this one."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def holder(file: Path, byte: int = 0) -> str:
    """Return which process holds this byte of the file locked, as far as this system tells.

    Linux alone lists the locks; to open the file and ask would let go of SQLite's own on it.
    """
    for _ in range(_LOOKS):
        try:
            status = file.stat()
            device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
            lines = _LOCKS.read_text(encoding="utf-8").splitlines()
        except OSError:
            break
        for words in map(str.split, lines):
            if len(words) != 8 or words[1] == "->":  # let go this moment; or it waits
                continue
            mode, pid, where, start, end = words[3:]
            within = int(start) <= byte and (end == "EOF" or byte <= int(end))
            if mode == "WRITE" and where == device and within:
                return f"process {pid} on {socket.gethostname()}{_frozen(pid)}"
    return "another process"


def _frozen(pid: str) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:  # gone this moment, or another user's
        return ""
    if stat.rpartition(")")[2].split()[0] not in "Tt":
        return ""
    return f", which is stopped (kill -CONT {pid} lets it go on, kill -KILL {pid} ends it),"
