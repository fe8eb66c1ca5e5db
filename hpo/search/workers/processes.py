"""Several worker processes on one machine over one study, watched and replaced when they die."""

import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess

from data.errors import DataError
from hpo.search.workers.worker import Job, work
from hpo.study.errors import StudyError
from hpo.study.open import open_finished
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.retry import retrying
from hpo.study.trials import finished
from hpo.terminal import signals as signals

DEATHS = 10
"""So many workers may die in a row without one trial finished between."""

_STOP_SECONDS = 20.0

_log = logging.getLogger(__name__)


def run_workers(job: Job, number: int) -> None:
    """Run ``job`` in ``number`` processes, the CPU's threads and the GPUs divided among them.

    A process that dies is replaced; its trial goes on from its last checkpoint.

    Raises:
        StudyError: a worker cannot go on, for a reason that would stop every one, or they die
            again and again.
        KeyboardInterrupt: after every worker has given its trial back.
    """
    if number == 1:
        work(job)
        return
    deaths = Deaths(job.location)
    workers: list[_Worker] = []
    try:
        for i, share in enumerate(shares(job, number)):
            workers.append(_Worker.start(f"worker {i}", share))
        while workers:
            multiprocessing.connection.wait([worker.process.sentinel for worker in workers])
            for i, worker in enumerate(workers):
                if worker.process.is_alive():
                    continue
                worker.process.join()
                if error := worker.error():
                    raise StudyError(error)
                if worker.process.exitcode:
                    deaths.add(worker.name, _cause(worker.process.exitcode))
                    workers[i] = _Worker.start(worker.name, worker.job)
            workers = [worker for worker in workers if worker.process.exitcode != 0]
    finally:
        _stop([worker.process for worker in workers])


def shares(job: Job, number: int) -> list[Job]:
    """Return the job of each of ``number`` workers: its share of the threads, and its GPU."""
    devices = [job.device]
    if job.device == "cuda":
        import torch

        devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    threads = max(1, _cores() // number)
    return [replace(job, threads=threads, device=devices[i % len(devices)]) for i in range(number)]


class Deaths:
    """Counts workers that died, to tell bad luck from what kills every one."""

    def __init__(self, location: StudyLocation):
        self._location, self._number, self._finished = location, 0, -1

    def add(self, name: str, cause: str) -> None:
        """Count one.

        Raises:
            StudyError: `DEATHS` died since a trial was last finished.
        """
        now = retrying(lambda: finished(open_finished(self._location)))
        self._number = self._number + 1 if now == self._finished else 1
        self._finished = now
        if self._number >= DEATHS:
            raise StudyError(
                f"{DEATHS} workers died without a trial finished between, the last one by {cause}. "
                "If memory is short, give fewer --workers"
            )
        _log.warning("%s died by %s and is replaced", name, cause)


@dataclass(frozen=True)
class _Worker:
    name: str
    job: Job
    process: BaseProcess
    message: Connection

    @classmethod
    def start(cls, name: str, job: Job) -> "_Worker":
        context = _context()
        message, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(job, theirs), name=name)
        # Ctrl-C reaches every process of a terminal; the workers are stopped by this one alone.
        with _without_interrupts():
            process.start()
        theirs.close()
        return cls(name, job, process, message)

    def error(self) -> str | None:
        """Return what a worker that ended said of an error, None if it had none or just died."""
        try:
            return self.message.recv_bytes().decode() if self.message.poll() else None
        except EOFError:
            return None
        finally:
            self.message.close()


def error_of(job: Job) -> str | None:
    """Do the job; return None at its end, or what stops it in words that another process prints."""
    try:
        work(job)
    except (StudyError, DataError) as error:
        return str(error)
    except Exception:
        return f"a worker failed, which it should not:\n{traceback.format_exc()}"
    return None


def _context() -> SpawnContext | ForkServerContext:
    """Return how processes are made: from one that has imported all, where the system can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    # Torch is imported once for all workers, which share its memory; a worker in a dead one's
    # place starts at once. Nothing uses the GPU before the fork.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hpo.search.workers.worker"])
    return context


def _child(job: Job, message: Connection) -> None:
    signals.raise_on_signals()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        text = error_of(job)
    except KeyboardInterrupt:
        raise SystemExit(signals.exit_code()) from None
    if text is None:
        return
    # What fits into the pipe does not wait for a reader.
    message.send_bytes(text.encode()[-30_000:])
    raise SystemExit(1)


def _end_with_parent() -> None:
    """Stop when the process that started this one is gone: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _stop(processes: Sequence[BaseProcess]) -> None:
    """Ask those still running to give their trials back, then end them."""
    end = time.monotonic() + _STOP_SECONDS
    try:
        for process in processes:
            if process.is_alive():
                process.terminate()
        for process in processes:
            process.join(max(0.0, end - time.monotonic()))
    finally:
        # Also when interrupted again: nothing is lost, for the trials have their checkpoints.
        for process in processes:
            if process.is_alive():
                process.kill()
                process.join()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back while the block runs, and for ever from the processes it starts."""
    mask: Callable[..., set[signal.Signals]] | None = getattr(signal, "pthread_sigmask", None)
    if mask is None:  # not on every system
        yield
        return
    before = mask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _cause(code: int | None) -> str:
    try:
        return signal.Signals(-(code or 0)).name
    except ValueError:
        return f"exit code {code}"
