"""Several worker processes on one machine over one study."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.process import BaseProcess
from types import FrameType

from data.errors import DataError
from hpo.errors import StudyError
from hpo.worker import Job, work

_STOP_SECONDS = 20


def run_workers(job: Job, number: int) -> None:
    """Run ``job`` in ``number`` processes, the CPU's threads divided among them.

    Raises:
        StudyError: a worker ended with an error, which it has printed.
        KeyboardInterrupt: after every worker has given its trial back.
    """
    if number == 1:
        work(job)
        return
    threads = max(1, _cores() // number)
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_child, args=(replace(job, threads=threads),), name=f"worker {i}")
        for i in range(number)
    ]
    try:
        # Ctrl-C reaches every process of a terminal; the workers are stopped by this one.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for process in processes:
                process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        for process in processes:
            process.join()
    finally:
        _stop(processes)
    if failed := [process.name for process in processes if process.exitcode]:
        raise StudyError(f"{', '.join(failed)} of {number} ended with an error")


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _child(job: Job) -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        work(job)
    except (StudyError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _stop(processes: Sequence[BaseProcess]) -> None:
    """Ask those still running to give their trials back, then end them."""
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        if process.pid is not None:
            process.join(_STOP_SECONDS)
            if process.is_alive():
                process.kill()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
