"""Which running trials are alive: by their process on this machine, elsewhere by heartbeats."""

import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from hpo.study.errors import StudyError
from hpo.study.storage.retry import no_retry
from hpo.study.trials import TrialRecord, record_heartbeat

HEARTBEAT_SECONDS = 10
"""How often a running trial reports that it is alive."""
GRACE_SECONDS = 60
"""How long it may be silent before it counts as dead."""


class Heartbeat:
    """Says, while its block runs, that ``trial`` is alive: counts its heartbeats."""

    def __init__(self, study: optuna.Study, trial: optuna.Trial):
        self._storage, self._trial_id = study._storage, trial._trial_id
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _beat(self) -> None:
        beats = 0
        while not self._done.wait(HEARTBEAT_SECONDS):
            beats += 1
            try:
                with no_retry():
                    record_heartbeat(self._storage, self._trial_id, beats)
            except (UpdateFinishedTrialError, StudyError):
                return  # the trial itself finds out
            except StorageInternalError:
                # The next beat may reach it; the grace is several beats long.
                continue


class HeartbeatMonitor:
    """What a process has seen of other processes' heartbeats.

    A trial is silent if its count of heartbeats stood still for the grace, by the watcher's own
    monotonic clock: no setting of any machine's clock makes a live trial silent, nor keeps a dead
    one alive.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, float]] = {}

    def dead(self, running: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return those of the running trials whose process is gone or silent."""
        now = time.monotonic()
        before, self._seen = self._seen, {}
        for trial in running:
            beats = TrialRecord.of(trial).heartbeats
            last, since = before.get(trial._trial_id, (beats, now))
            self._seen[trial._trial_id] = (beats, since if last == beats else now)
        return [
            trial
            for trial in running
            if now - self._seen[trial._trial_id][1] > GRACE_SECONDS
            or _is_gone(TrialRecord.of(trial).worker)
        ]

    def forget(self) -> None:
        """Forget all: while the database was away, no heartbeat could be written."""
        self._seen.clear()


def this_process() -> dict[str, Any]:
    """Return what tells this process from every other, of any machine."""
    return process_of(os.getpid())


def process_of(pid: int) -> dict[str, Any]:
    """Return what tells this machine's process ``pid`` from every other, of any machine."""
    return {"machine": _machine(), "pid": pid, "started": _started(pid)}


def _is_gone(worker: Mapping[str, Any] | None) -> bool:
    """Return whether the process ran on this machine and is gone."""
    if worker is None or worker.get("machine") != _machine():
        return False
    started = _started(worker["pid"])
    return started != _UNKNOWN and started != worker["started"]


@cache
def _machine() -> str:
    """Return what tells this machine's process ids from another's."""
    parts = [socket.gethostname()]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        lambda: os.readlink("/proc/self/ns/pid"),
    ):
        try:
            parts.append(read())
        except OSError:
            parts.append("-")
    return " ".join(parts)


_UNKNOWN = "unknown"


def _started(pid: int) -> str | None:
    """Return when the process started, None if there is no such process.

    Of a process that this user may not look at (``hidepid``), it is `_UNKNOWN`.
    """
    try:
        # In ticks since the machine's own start, which no setting of the clock changes.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state == "Z" else fields[18]
    except OSError:
        pass
    try:
        process = psutil.Process(pid)
        gone = process.status() == psutil.STATUS_ZOMBIE
        return None if gone else str(process.create_time())
    except (psutil.Error, OSError):
        return _UNKNOWN if _exists(pid) else None


def _exists(pid: int) -> bool:
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # not this user's
        pass
    return True
