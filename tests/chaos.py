"""Faults at random moments of a study, and a count of what is lost: ``python -m tests.chaos -h``.

A short run of it is among the tests. Everything but the data, which are tiny, the pictures of the
trials, which are left out, the time between two checkpoints and the grace of a silent worker is as
in any study. So no configuration meets as many deaths as would make it be given up. `tests.faults`
has the kinds of faults.
"""

import argparse
import ctypes
import errno
import json
import logging
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import optuna
import torch

import hpo.search.workers.heartbeat
import hpo.search.workers.processes
import hpo.training.data
import hpo.training.resumable
from data.files.sealed import SealedWriter
from hpo.search.workers.worker import work
from hpo.study.open import open_finished, open_study
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import TrialRecord, records
from model.training.trainer import EpochResult, Trainer
from tests.command import Command
from tests.faults import Faults
from tests.hpo.postgres import Server, binaries
from tests.hpo.support import tiny_dataset, tiny_job

DISK = "CHAOS_DISK"
"""The environment's name for the folder whose disk is full while it holds a file ``filler``."""


def stand_in() -> None:
    """Make trials short, save after every epoch, and miss a silent worker soon."""
    torch.set_num_threads(1)
    hpo.training.data.load = lambda **_: tiny_dataset()
    hpo.training.resumable.CHECKPOINT_SECONDS = 0
    hpo.search.workers.heartbeat.HEARTBEAT_SECONDS = 0.25  # type: ignore[misc]
    hpo.search.workers.heartbeat.GRACE_SECONDS = 2  # type: ignore[misc]
    hpo.search.workers.processes._STOP_SECONDS = 3


def slow_down() -> None:
    """Give a trial some length, so that most faults hit one; and let a disk be full."""
    epoch, write = Trainer._epoch, SealedWriter.write

    def slow(self: Trainer, number: int) -> EpochResult:
        time.sleep(float(os.environ["CHAOS_EPOCH"]))
        return epoch(self, number)

    def full(self: SealedWriter, content: Any) -> int:
        if Path(os.environ[DISK], "filler").exists():
            self.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise self.error
        return write(self, content)

    Trainer._epoch = slow  # type: ignore[method-assign]
    SealedWriter.write = full  # type: ignore[method-assign]


def preload() -> None:
    """Import once what every worker would import at its first step, which takes it seconds."""
    context = hpo.search.workers.processes._context

    def preloading() -> Any:
        found = context()
        found.set_forkserver_preload(
            ["hpo.search.workers.worker", "hpo.study.storage.rdb", "tests.faults", "torch._dynamo"]
        )
        return found

    hpo.search.workers.processes._context = preloading


def mount_small_disk(folder: Path) -> bool:
    """Mount one that ends with this process; return False where that is not possible."""
    new_namespace = 0x00020000  # CLONE_NEWNS
    if not hasattr(os, "getuid") or os.getuid() != 0 or not shutil.which("mount"):
        return False
    if ctypes.CDLL(None).unshare(new_namespace) != 0:
        return False
    commands = "mount --make-rprivate / && mount -t tmpfs -o size=32m tmpfs"
    done = subprocess.run(["sh", "-c", f'{commands} "$0"', str(folder)], capture_output=True)
    return done.returncode == 0


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


def check(location: StudyLocation, server: Server | None) -> str:
    """Return what the database's own check says, which is ``ok``."""
    if server is not None:
        return server.check()
    file = location.sqlite_file()
    assert file is not None
    connection = sqlite3.connect(file)
    found: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    return found


def chaos(
    storage: str, faults: int, trials: int, workers: int, epoch: float, seed: int, only: str
) -> bool:
    """Run the study quietly and in chaos, print a table of the differences; return if none."""
    os.environ["CHAOS_EPOCH"] = str(epoch)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        os.environ[DISK] = folder
        mounted = mount_small_disk(Path(folder))
        quiet = tiny_job(Path(folder, "quiet"), trials)
        work(quiet)
        server = Server() if storage == "postgres" else None
        try:
            url = None if server is None else server.url
            location = replace(quiet.run.location, out=Path(folder), storage=url)
            job = replace(quiet, run=replace(quiet.run, location=location))
            open_study(job.run)
            command = Command(job, workers)
            dealt = Faults(command, faults, seed, server, only)
            dealt.start()
            command.run()
            dealt.join()
            expected, _, _ = outcomes(quiet.run.location)
            found, doubled, resumed = outcomes(location)
            every = records(open_finished(location))
            failures = Counter(trial.failure for trial in every if trial.failure)
            taken_over = dealt.taken_over()
            whole = check(location, server)
            left = len(list(location.checkpoints.glob("*")))
        finally:
            if server is not None:
                server.close()
            if mounted:
                subprocess.run(["umount", "-l", folder], check=False)
    lost = len(expected.keys() - found.keys())
    other = sum(expected[key] != found[key] for key in expected.keys() & found.keys())
    tried = sum(dealt.tried.values())
    rows: list[tuple[str, object, str]] = [
        *((kind, count, "") for kind, count in dealt.tried.items()),
        ("faults in all", tried, f"{dealt.in_trials} hit a worker in a trial"),
        ("runs of the command", len(command.endings), ""),
        ("trials resumed from a checkpoint", resumed, ""),
        ("trials taken over from a frozen worker", taken_over, ""),
        ("trials finished", f"{len(found)} of {trials}", f"lost {lost}, doubled {doubled}"),
        ("values other than in a quiet run", other, ""),
        ("database's own check", whole, ""),
        ("checkpoints left over", left, ""),
        ("stops without a fault that explains them", len(command.unexpected), ""),
        ("faults that went wrong or were not noticed", len(dealt.trouble), ""),
    ]
    print(
        f"{date.today()}, {storage}, {workers} workers, seed {seed}, "
        f"{time.monotonic() - started:.0f} s on {os.cpu_count()} cores ({platform.machine()}), "
        f"disk {'of 32 MiB' if mounted else 'not mounted: only checkpoints find it full'}"
    )
    for what, count, words in rows:
        print(f"| {what:47} | {count!s:>10} | {words:30} |")
    reasons = Counter(re.sub(r"\S*/\S*|\d+", "#", ending) for ending in command.endings if ending)
    for reason, count in reasons.most_common():
        print(f"stopped {count} times: {reason[:300]}")
    for reason, count in failures.most_common():
        print(f"failed {count} times: {reason}")
    lost_keys = [f"lost: {key}" for key in sorted(expected.keys() - found.keys())]
    lost_keys += [f"not in the quiet run: {key}" for key in sorted(found.keys() - expected.keys())]
    for text in (*command.unexpected, *dealt.trouble, *lost_keys):
        print(f"NOT EXPECTED: {text}")
    # Of few trials the last may be over before the last faults.
    enough = tried == faults or trials < 50
    good = len(found) == trials and not (lost or doubled or other or left)
    good = good and not (command.unexpected or dealt.trouble)
    return good and enough and whole == "ok"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storage", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--faults", type=int, default=50, help="each kind as often as another")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--epoch", type=float, default=0.3, help="seconds an epoch waits")
    parser.add_argument("--only", default="", help="faults with these words in their kind alone")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.storage == "postgres" and binaries() is None:
        parser.error("there is no PostgreSQL server here; install the package postgresql")
    if options.workers < 2:
        parser.error("--workers: 2 or more, for a single one is the command itself")
    logging.getLogger("hpo").setLevel(logging.ERROR)
    raise SystemExit(0 if chaos(**vars(options)) else 1)


if __name__ in ("__main__", "__mp_main__"):
    stand_in()
if __name__ == "__mp_main__":
    slow_down()
if __name__ == "__main__":
    preload()
    main()
