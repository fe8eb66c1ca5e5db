"""Kill workers at random moments, and count what is lost: ``python -m tests.chaos --help``.

A short run of it is among the tests. Everything but the data, which are tiny, the pictures of the
trials, which are left out, and the time between two checkpoints is as in any study.
"""

import argparse
import json
import logging
import os
import random
import signal
import sqlite3
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import optuna
import psutil
import torch

import hpo.training.data
import hpo.training.resumable
from hpo.search.workers.processes import run_workers
from hpo.search.workers.worker import Job, work
from hpo.study.errors import StudyError
from hpo.study.open import open_finished, open_study
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.retry import retrying
from hpo.study.trials import TrialRecord, finished
from model.training.trainer import EpochResult, Trainer
from tests.hpo.postgres import Server, binaries
from tests.hpo.support import tiny_dataset, tiny_job

EPOCH_SECONDS = 0.1


def stand_in() -> None:
    """Make trials short, and save after every epoch."""
    torch.set_num_threads(1)
    hpo.training.data.load = lambda **_: tiny_dataset()
    hpo.training.resumable.CHECKPOINT_SECONDS = 0


def slow_down() -> None:
    """Give a trial some length, so that most kills hit one."""
    epoch = Trainer._epoch

    def slow(self: Trainer, number: int) -> EpochResult:
        time.sleep(EPOCH_SECONDS)
        return epoch(self, number)

    Trainer._epoch = slow  # type: ignore[method-assign]


class Killer(threading.Thread):
    """Kills a random worker at each of ``kills`` random moments of the study."""

    def __init__(self, job: Job, kills: int, seed: int):
        super().__init__(daemon=True)
        self._job, self._random = job, random.Random(seed)
        # Spread over nearly all of the study, for at its very end there is nobody left to kill.
        most = max(1, int(0.9 * job.total))
        self._moments = sorted(self._random.randrange(most) for _ in range(kills))
        self.in_trials = self.elsewhere = 0
        self.done = threading.Event()

    def run(self) -> None:
        study = retrying(lambda: open_finished(self._job.run.location))
        for moment in self._moments:
            while finished(study) < moment and not self.done.is_set():
                time.sleep(0.25)
            self.done.wait(self._random.expovariate(2))
            while not (workers := _workers()) and not self.done.is_set():
                time.sleep(0.25)
            if self.done.is_set():
                return
            victim = self._random.choice(workers)
            busy = {
                (TrialRecord.of(trial).worker or {}).get("pid")
                for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,))
            }
            os.kill(victim, signal.SIGKILL)
            if victim in busy:
                self.in_trials += 1
            else:
                self.elsewhere += 1


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


class Outages(threading.Thread):
    """Crashes the database server at random moments and starts it again."""

    def __init__(self, server: Server, number: int, every: float, seed: int):
        super().__init__(daemon=True)
        self._server, self._number, self._every = server, number, every
        self._random = random.Random(seed)
        self.count = 0
        self.done = threading.Event()

    def run(self) -> None:
        while self.count < self._number and not self.done.wait(self._every):
            self._server.stop()
            time.sleep(self._random.uniform(0.5, 3))
            self._server.start()
            self.count += 1


def outcomes(location: StudyLocation) -> tuple[dict[str, float | None], int, int]:
    """Return the value of every finished configuration, and how many were doubled and resumed."""
    values: dict[str, float | None] = {}
    doubled = resumed = 0
    for trial in open_finished(location).trials:
        if trial.state in (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED):
            key = json.dumps([trial.params, TrialRecord.of(trial).seed], sort_keys=True)
            doubled += key in values
            resumed += TrialRecord.of(trial).resumed_after_epoch is not None
            values[key] = trial.value
    return values, doubled, resumed


def chaos(storage: str, kills: int, trials: int, workers: int, outages: int, seed: int) -> bool:
    """Run the study quietly and in chaos, print a table of the differences; return if none."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        quiet = tiny_job(Path(folder, "quiet"), trials)
        work(quiet)
        server = Server() if storage == "postgres" else None
        breaks = None
        try:
            url = None if server is None else server.url
            location = replace(quiet.run.location, out=Path(folder, "chaos"), storage=url)
            job = replace(quiet, run=replace(quiet.run, location=location))
            open_study(job.run)
            killer = Killer(job, kills, seed)
            killer.start()
            if server is not None and outages:
                breaks = Outages(server, outages, 10.0, seed)
                breaks.start()
            trouble = ""
            try:
                run_workers(job, workers)
            except StudyError as error:
                trouble = str(error)
            for thread in filter(None, (killer, breaks)):
                thread.done.set()
                thread.join()
            expected, _, _ = outcomes(quiet.run.location)
            found, doubled, resumed = outcomes(location)
            file = location.sqlite_file()
            if file is not None:
                with sqlite3.connect(file) as connection:
                    whole = connection.execute("PRAGMA integrity_check").fetchone()[0]
                connection.close()
            else:
                assert server is not None
                whole = server.check()
            left = len(list(location.checkpoints.glob("*")))
        finally:
            if server is not None:
                server.close()
    killed = killer.in_trials + killer.elsewhere
    lost = len(expected.keys() - found.keys())
    other = sum(expected[key] != found[key] for key in expected.keys() & found.keys())
    rows = [
        ("workers killed (SIGKILL) in a trial", killer.in_trials, ""),
        ("workers killed between trials or while starting", killer.elsewhere, ""),
        *([("server crashed and started again", breaks.count, "")] if breaks else []),
        ("trials resumed from a checkpoint", resumed, ""),
        ("trials finished", f"{len(found)} of {trials}", f"lost {lost}, doubled {doubled}"),
        ("values other than in a quiet run", other, ""),
        ("database's own check", whole, ""),
        ("checkpoints left over", left, ""),
        ("error of the study", trouble or "none", ""),
    ]
    print(f"{storage}, {workers} workers, {time.monotonic() - started:.0f} s, seed {seed}")
    for what, count, lost_words in rows:
        print(f"| {what:48} | {count!s:>10} | {lost_words:18} |")
    # Of few trials the last may be over before the last kills.
    enough = killed >= kills or trials < 50
    good = len(found) == trials and not (lost or doubled or other or left or trouble)
    return good and enough and whole == "ok"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storage", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--outages", type=int, default=2, help="crashes of a server")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.storage == "postgres" and binaries() is None:
        parser.error("there is no PostgreSQL server here; install the package postgresql")
    logging.getLogger("hpo").setLevel(logging.ERROR)
    raise SystemExit(0 if chaos(**vars(options)) else 1)


if __name__ in ("__main__", "__mp_main__"):
    stand_in()
if __name__ == "__mp_main__":
    slow_down()
if __name__ == "__main__":
    main()
