"""What ``tests.chaos`` does to a study while a command runs it."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import sqlalchemy
from optuna.trial import TrialState

from hpo.search.workers import heartbeat, queue
from hpo.study.attempts import finished
from hpo.study.open import open_there
from hpo.study.storage.retry import retrying
from hpo.study.trials import TrialRecord, records
from tests.command import INTERRUPTED, Command
from tests.hpo.postgres import Server

GONE = r"was (removed|replaced) while|there is no study|No such file|is gone, but"
EMPTY = r"relation \S+ does not exist|there is no study|no longer in its database|was changed while"
FULL = r"full|No space left|I/O error"
NOTICED_SECONDS = 120.0
"""A run whose database is gone stops within this; what it takes on an idle machine is a second."""


class Faults(threading.Thread):
    """Deals ``number`` faults to the command, each kind as often, at random moments of the study.

    Attributes:
        tried: how often each kind was tried.
        trouble: what went wrong with a fault itself, or was not noticed by the run.
    """

    def __init__(
        self, command: Command, number: int, seed: int, server: Server | None, only: str = ""
    ):
        super().__init__(daemon=True)
        self._command, self._location = command, command.job.run.location
        self._server, self._random = server, random.Random(seed)
        kinds: dict[str, Callable[[], bool]] = {
            "worker killed (SIGKILL)": lambda: self._signal(signal.SIGKILL),
            "worker stopped (SIGTERM)": lambda: self._signal(signal.SIGTERM),
            "worker frozen past the grace (SIGSTOP, SIGCONT)": self._freeze,
            "run stopped (SIGINT or SIGTERM)": self._interrupt,
            "checkpoint damaged, its worker killed": lambda: self._checkpoint(self._damage),
            "checkpoint removed, its worker killed": lambda: self._checkpoint(Path.unlink),
            "disk full": self._fill,
        }
        if server is None:
            kinds["study.db or its folder moved away"] = self._move
            kinds["study's folder replaced by a copy"] = lambda: self._move(copy=True)
        else:
            kinds["study's tables replaced by none"] = self._hide_tables
            kinds["study's folder removed"] = self._remove_folder
            kinds["server crashed and started again"] = self._crash
        kinds = {kind: fault for kind, fault in kinds.items() if only in kind}
        self.tried = Counter(dict.fromkeys(kinds, 0))
        self.in_trials, self.frozen, self.trouble = 0, set[int](), list[str]()
        self._timers: list[threading.Timer] = []
        plan = [list(kinds.items())[i % len(kinds)] for i in range(number)]
        self._random.shuffle(plan)
        # Spread over nearly all of the study, for at its very end there is nothing left to hit.
        most = max(1, int(0.9 * command.job.total))
        moments = sorted(self._random.randrange(most) for _ in plan)
        self._plan = list(zip(moments, plan, strict=True))

    def run(self) -> None:
        self._study = retrying(lambda: open_there(self._location))
        started = time.monotonic()
        for moment, (kind, fault) in self._plan:
            while not self._command.over and finished(self._study) < moment:
                time.sleep(0.1)
            time.sleep(self._random.uniform(0, 0.5))
            while not self._command.over:
                try:
                    with self._command.lock:
                        hit = self._command.running and fault()
                except Exception:
                    self.trouble.append(f"{kind}: {traceback.format_exc()}")
                    hit = True
                if hit:
                    self.tried[kind] += 1
                    print(f"{time.monotonic() - started:.1f} s: {kind}", file=sys.stderr)
                    break
                time.sleep(0.1)
        for timer in self._timers:
            timer.join()

    def taken_over(self) -> int:
        """Return how many trials other workers took from a frozen one."""
        trials = self._study.get_trials(deepcopy=False)
        return sum(trials[number].state == TrialState.FAIL for number in self.frozen)

    def _running(self) -> list[TrialRecord]:
        trials = self._study.get_trials(states=(TrialState.RUNNING,))
        return [TrialRecord.of(trial) for trial in trials]

    def _spared(self, running: list[TrialRecord]) -> set[int]:
        """Return the processes whose configuration must not meet another death.

        A worker that was frozen may be missed once it dies too, hence two fewer than the limit.
        """
        trials = records(self._study)
        most = queue.ATTEMPTS - 2
        return {
            _pid(trial)
            for trial in running
            if queue._deaths(queue._attempts(trials, trial)) >= most
        }

    def _signal(self, number: int) -> bool:
        running = self._running()
        spared = self._spared(running) if number != signal.SIGTERM else set()
        workers = [pid for pid in _workers() if pid not in spared]
        if not workers:
            return False
        in_trials = [pid for trial in running if (pid := _pid(trial)) in workers]
        between = not in_trials or self._random.random() < 0.3
        victim = self._random.choice(workers if between else in_trials)
        busy = [trial for trial in running if _pid(trial) == victim]
        with suppress(ProcessLookupError):
            os.kill(victim, number)
        self.in_trials += bool(busy)
        if number == signal.SIGSTOP:
            self.frozen |= {trial.number for trial in busy}
            timer = threading.Timer(3 * heartbeat.GRACE_SECONDS, _go_on, (victim,))
            timer.start()
            self._timers.append(timer)
        return True

    def _freeze(self) -> bool:
        return self._signal(signal.SIGSTOP)

    def _interrupt(self) -> bool:
        with self._ends(INTERRUPTED):
            main = threading.main_thread().ident
            assert main is not None
            self._command.to_stop = True
            signal.pthread_kill(main, self._random.choice((signal.SIGINT, signal.SIGTERM)))
        self._command.to_stop = False
        return True

    def _checkpoint(self, harm: Callable[[Path], None]) -> bool:
        """Harm a checkpoint that its trial is to resume from, for its worker is killed."""
        folder, running = self._location.checkpoints, self._running()
        workers = set(_workers()) - self._spared(running)
        found = [
            (pid, path)
            for trial in running
            if (pid := _pid(trial)) in workers
            if (path := folder / f"trial-{trial.original_number:05}.pt").exists()
        ]
        if not found:
            return False
        pid, path = self._random.choice(found)
        try:
            os.kill(pid, signal.SIGSTOP)
            harm(path)
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, FileNotFoundError):  # the trial ended in this moment
            _go_on(pid)
            return False
        return True

    def _damage(self, path: Path) -> None:
        content = bytearray(path.read_bytes())
        at = self._random.randrange(len(content))
        if self._random.random() < 0.5:
            content[at] ^= 0xFF
        else:
            del content[at:]
        path.write_bytes(content)

    def _move(self, copy: bool = False) -> bool:
        if not _workers():  # a run that is only starting would begin a study there
            return False
        place, aside = self._location.folder, self._location.out / "aside"
        if not copy and self._random.random() < 0.5:
            place /= "study.db"
        with self._ends(GONE):
            place.rename(aside)
            if copy:
                # A worker may open the copy before it is whole, so that cp finds its -shm there.
                subprocess.run(["cp", "-r", aside, place], check=False)
        if place.is_dir():
            shutil.rmtree(place)
        aside.rename(place)
        self._refuse_silence()
        return True

    def _hide_tables(self) -> bool:
        # A run that is only starting would find nothing amiss, and begin a study there.
        if not any(_pid(trial) in _workers() for trial in self._running()):
            return False
        with self._ends(EMPTY):
            self._execute("ALTER SCHEMA public RENAME TO aside", "CREATE SCHEMA public")
        self._execute("DROP SCHEMA public CASCADE", "ALTER SCHEMA aside RENAME TO public")
        self._refuse_silence()
        return True

    def _execute(self, *statements: str) -> None:
        engine = sqlalchemy.create_engine(self._location.url, poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sqlalchemy.text(statement))

    def _remove_folder(self) -> bool:
        shutil.rmtree(self._location.folder, ignore_errors=True)
        return True

    def _crash(self) -> bool:
        assert self._server is not None
        self._server.stop()
        time.sleep(self._random.uniform(0.5, 3))
        self._server.start()
        return True

    def _fill(self) -> bool:
        """Leave no room for some seconds, or until the run stops."""
        before, end = len(self._command.endings), time.monotonic() + self._random.uniform(0.5, 3)
        self._command.expected.append(FULL)
        filler = self._location.out / "filler"
        while time.monotonic() < end and len(self._command.endings) == before:
            filler.touch()  # where no small disk can be mounted, the workers' own writes heed it
            if os.path.ismount(self._location.out):
                _fill(filler)
            time.sleep(0.05)
        filler.unlink()
        return True

    @contextmanager
    def _ends(self, reason: str) -> Iterator[None]:
        """Wait, at the end of the block, until the run has stopped, which is for this reason."""
        before = len(self._command.endings)
        self._command.expected.append(reason)
        yield
        if not self._wait(before, NOTICED_SECONDS):
            self.trouble.append(f"the run did not stop: {reason}")

    def _wait(self, before: int, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while len(self._command.endings) == before and time.monotonic() < end:
            time.sleep(0.05)
        return len(self._command.endings) > before

    def _refuse_silence(self) -> None:
        if not self._command.endings[-1] and finished(self._study) < self._command.job.total:
            self.trouble.append("the run ended as if all were well, its database gone")


def _fill(file: Path) -> None:
    with suppress(OSError), file.open("ab", buffering=0) as stream:
        for size in (2**20, 2**12, 1):
            with suppress(OSError):
                while True:
                    stream.write(bytes(size))


def _pid(trial: TrialRecord) -> int:
    return (trial.worker or {}).get("pid", 0)


def _go_on(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _workers() -> list[int]:
    """Return the processes that are workers: leaves of the tree that Python calls so."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            server = any("forkserver" in word for word in child.cmdline())
            if server and child.parent() != psutil.Process():
                found.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found
