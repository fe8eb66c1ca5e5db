"""Several worker processes on one machine over one study, watched and replaced when they die."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from pickle import PicklingError

from hpo.search.workers.deaths import Deaths
from hpo.search.workers.heartbeat import process_of
from hpo.search.workers.stops import StopNotes
from hpo.search.workers.worker import Job, error_of, work
from hpo.study.errors import StudyError
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.rdb import RetryingStorage
from hpo.study.storage.retry import retrying
from hpo.terminal import signals

_STOP_SECONDS = 20.0
_LOOK_SECONDS = 1.0
_BEGUN = b"begun"
_UNSENDABLE = (PicklingError, AttributeError, TypeError)
"""What a job is refused with that holds a function of no module, or an object like an open file."""
_NOT_BEGUN = (
    "{} ended with exit code {} before it began, as every one would: several workers import the "
    'script that starts them. Put it into a file, its calls below if __name__ == "__main__":, or '
    "give one worker; what went wrong stands above"
)


def run_workers(job: Job, number: int) -> None:
    """Run ``job`` in ``number`` processes, the CPU's threads and the GPUs divided among them.

    A process that dies is replaced; its trial resumes from its last checkpoint.

    Raises:
        StudyError: a worker stopped for a reason that would stop every one, or they keep dying, or
            the study's file was removed or replaced, or the job's hook cannot be sent to them.
        KeyboardInterrupt: after every worker has released its trial.
    """
    if number == 1:
        work(job)
        return
    file = job.run.location.sqlite_file() and retrying(lambda: _database(job.run.location))
    deaths = Deaths(job.run.location)
    workers: list[_Worker] = []
    stops = StopNotes(job.run.location)
    try:
        for i, share in enumerate(shares(job, number)):
            workers.append(_Worker.start(f"worker {i}", share))
        while workers:
            sentinels = [worker.process.sentinel for worker in workers]
            multiprocessing.connection.wait(sentinels, _LOOK_SECONDS)
            # Workers that find nothing when they start would begin another study in its place.
            if file:
                file.refuse_if_gone()
            for i, worker in enumerate(workers):
                if worker.process.is_alive():
                    continue
                worker.process.join()
                begun, error = worker.said()
                if error:
                    raise StudyError(error)
                if not begun and (worker.process.exitcode or 0) > 0:
                    raise StudyError(_NOT_BEGUN.format(worker.name, worker.process.exitcode))
                if worker.process.exitcode:
                    deaths.add(worker.name, _cause(worker.process.exitcode))
                    workers[i] = _Worker.start(worker.name, worker.job)
            workers = [worker for worker in workers if worker.process.exitcode != 0]
    finally:
        with stops:
            _stop([worker.process for worker in workers], stops)


def shares(job: Job, number: int) -> list[Job]:
    """Return the job of each of ``number`` workers: its share of the threads, and its GPU."""
    devices = [job.run.device]
    if job.run.device == "cuda":
        import torch

        devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    threads = max(1, _cores() // number)
    runs = [replace(job.run, device=device) for device in devices]
    return [replace(job, threads=threads, run=runs[i % len(runs)]) for i in range(number)]


def _database(location: StudyLocation) -> RetryingStorage:
    location.make_folder()
    with location.exclusive():
        return location.database()


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
        try:
            with _without_interrupts(), _own_modules():
                process.start()
        except _UNSENDABLE as why:
            if job.on_epoch is None:
                raise
            raise StudyError(
                f"the hook on_epoch cannot be sent to other processes ({why}); define it at the "
                "top level of a module, or run one worker"
            ) from None
        theirs.close()
        return cls(name, job, process, message)

    def said(self) -> tuple[bool, str | None]:
        """Return whether an ended worker began, and the error that it reported, if any."""
        said = []
        try:
            while self.message.poll():
                said.append(self.message.recv_bytes().decode())
        except EOFError:
            pass
        finally:
            self.message.close()
        return bool(said), said[1] if len(said) > 1 else None


def _context() -> SpawnContext | ForkServerContext:
    """Return how processes start: forked from one that has imported all, if the system can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    # Torch is imported once for all workers, which share its memory, and a replacement starts at
    # once. Nothing uses the GPU before the fork.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hpo.search.workers.worker", "hpo.study.storage.rdb"])
    return context


@contextmanager
def _own_modules() -> Iterator[None]:
    """Let processes that start in the block import from where this one does.

    By themselves they would begin with the current folder, which may hold a ``model.py`` of the
    user's own.
    """
    root = str(Path(__file__).resolve().parents[3])
    paths = [os.environ.get("PYTHONPATH", "")]
    if root in sys.path and root != sysconfig.get_path("purelib"):
        paths.insert(0, root)  # neither installed nor linked, but run where it lies
    known = {name: os.environ.get(name) for name in ("PYTHONSAFEPATH", "PYTHONPATH")}
    os.environ |= {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    try:
        yield
    finally:
        for name, value in known.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _child(job: Job, message: Connection) -> None:
    try:
        message.send_bytes(_BEGUN)
        signals.raise_on_signals()
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
        text = error_of(job)
        if text is None:
            return
        # What fits into the pipe does not wait for a reader.
        message.send_bytes(text.encode()[-30_000:])
    except KeyboardInterrupt:
        raise SystemExit(signals.exit_code()) from None
    except BrokenPipeError:
        pass  # stopped while it started, and nobody listens any more
    raise SystemExit(1)


def _end_with_parent() -> None:
    """Stop when the parent process is gone: nobody else would stop this one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _stop(processes: Sequence[BaseProcess], stops: StopNotes) -> None:
    """Ask those still running to release their trials, then kill them."""
    end = time.monotonic() + _STOP_SECONDS
    try:
        for process in processes:
            if process.is_alive():
                process.terminate()
        for process in processes:
            process.join(max(0.0, end - time.monotonic()))
    finally:
        # Also when interrupted again: nothing is lost, since the trials have checkpoints.
        for process in processes:
            if process.is_alive():
                stops.leave(process_of(process.pid or 0))
                process.kill()
                process.join()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block Ctrl-C while the block runs, and for good in the processes that it starts."""
    mask: Callable[..., set[signal.Signals]] | None = getattr(signal, "pthread_sigmask", None)
    if mask is None:  # not on every system
        yield
        return
    # Started within the block, it would unblock Ctrl-C, and the fork server print a traceback.
    resource_tracker.ensure_running()
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
