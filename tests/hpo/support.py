"""A data set and a study small enough to train in a fraction of a second."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
import torch.nn.functional as F
from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial, TrialState

from data.dataset import Dataset
from data.drawings import Drawings
from hpo.search.workers.queue import next_trial
from hpo.search.workers.worker import Job
from hpo.study.config import StudyConfig
from hpo.study.open import open_finished, open_study
from hpo.study.run import StudyRun
from hpo.study.space.search_space import SearchSpace
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import TrialRecord
from model.training.trainer import EpochResult

SIZE = 16
ALPHABETS = {
    "train": ("a", "b", "c"),
    "validation": ("d", "e"),
    "test": ("f",),
}


def tiny_dataset(seed: int = 0, characters: int = 6, drawers: int = 6) -> Dataset:
    """Return a blurred blob pattern for each character, shifted and spotted by each drawer."""
    generator = torch.Generator().manual_seed(seed)
    names = [name for role in ALPHABETS.values() for name in role]
    count = len(names) * characters
    patterns = torch.rand(count, 1, 5, 5, generator=generator)
    patterns = F.interpolate(patterns, SIZE, mode="bilinear") > 0.55
    ink = patterns.squeeze(1).repeat_interleave(drawers, 0).float()
    noise = torch.rand(ink.shape, generator=generator)
    character = torch.arange(count).repeat_interleave(drawers)
    drawings = Drawings(
        ink=((ink * 0.8 + noise * 0.2) * 255).byte(),
        alphabet=character // characters,
        character=character,
        drawer=torch.arange(1, drawers + 1).repeat(count),
        alphabet_names=tuple(names),
        character_names=tuple(f"{n}/{i}" for n in names for i in range(characters)),
    )
    everyone = tuple(range(1, drawers + 1))
    roles = dict.fromkeys(ALPHABETS, everyone)
    return Dataset("tiny", drawings, ALPHABETS, roles, drawings.digest())  # type: ignore[arg-type]


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of each searched parameter."""
    found: dict[str, BaseDistribution] = {}
    for corner in space.corners():
        trial = FixedTrial(corner)
        space.suggest(trial)
        found |= trial.distributions
    return found


def tiny_config(**search: object) -> StudyConfig:
    """Return a study of two convolutions over the tiny data set."""
    return StudyConfig.model_validate(
        {
            "name": "tiny",
            "data": {"image_size": SIZE, "drawers": "all"},
            "budget": {
                "epochs": 3,
                "pairs_per_epoch": 128,
                "patience": 3,
                "momentum_epochs": 3,
            },
            "validation": {"way": 4, "trials": 40, "verification_pairs": 32},
            "search": {"sampler": "random", "trials": 4, "startup": 2, **search},
            "parameters": {
                "net.depth": 2,
                "net.poolings": 1,
                "conv*.filters": {"low": 2, "high": 6, "step": 2},
                "conv*.kernel_size": {"low": 3, "high": 5},
                "fc.units": {"low": 8, "high": 32, "step": 8},
                "*.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
                "*.momentum": {"low": 0, "high": 0.99},
                "*.l2": {"low": 1e-6, "high": 1e-1, "log": True},
            },
            "start": (
                {
                    "conv*.filters": 4,
                    "conv*.kernel_size": 3,
                    "fc.units": 16,
                    "*.learning_rate": 1e-2,
                    "*.momentum": 0.5,
                    "*.l2": 1e-4,
                },
            ),
        }
    )


def tiny_job(out: Path, total: int = 4, **search: object) -> Job:
    """Return the work on the tiny study kept in ``out``, without notes and pictures."""
    run = StudyRun(config=tiny_config(**search), location=StudyLocation("tiny", out))
    return Job(run=run, total=total)


def on(folder: Path | str, **more: object) -> StudyConfig:
    """Return the tiny study on a folder or another data set."""
    return tiny_config(trials=1).changed(dataset=str(folder), **more)


def at(config: StudyConfig, location: StudyLocation) -> StudyRun:
    """Return the study kept there."""
    return StudyRun(config=config, location=location)


def epoch_result(epoch: int, accuracy: float, diverged: bool = False) -> EpochResult:
    """Return what an epoch of 128 pairs and two seconds gave."""
    return EpochResult(
        epoch=epoch,
        loss=float("nan") if diverged else 0.5,
        verification_accuracy=0.6,
        one_shot_accuracy=accuracy,
        seconds=2.0,
        pairs_per_second=100.0,
        pairs_seen=128 * epoch,
        diverged=diverged,
    )


def name_worker(study: optuna.Study, trial_id: int, worker: Mapping[str, Any]) -> None:
    """Let the database say that this process runs the trial."""
    study._storage.set_trial_system_attr(trial_id, "worker", dict(worker))


def claimed_at_once(job: Job, threads: int, rounds: int) -> list[int]:
    """Return the numbers of the trials that threads are given that ask at the same moments.

    Each has a connection of its own; the study has a waiting trial for every question.
    """
    study = open_study(job.run)
    for _ in range(threads * rounds):
        study.enqueue_trial({})
    studies = [open_study(job.run) for _ in range(threads)]
    claimed: list[int] = []
    start = threading.Barrier(threads)

    def take(study: optuna.Study) -> None:
        for _ in range(rounds):
            start.wait()
            if trial := next_trial(study, job.run.location, threads * rounds, seed=0):
                claimed.append(trial.number)

    takers = [threading.Thread(target=take, args=(study,)) for study in studies]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    return claimed


def opens(job: Job) -> None:
    """Check that the database is whole and opens."""
    file = job.run.location.sqlite_file()
    assert file is not None
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    connection.close()
    open_finished(job.run.location)


def damaged_pictures(folder: Path) -> Path:
    """Return a folder of a data set whose every picture breaks off."""
    for alphabet in "abcde":
        for character in range(6):
            here = folder / alphabet / str(character)
            here.mkdir(parents=True)
            for drawer in range(2):
                (here / f"{drawer}.png").write_bytes(b"\x89PNG\r\n\x1a\n, but not for long")
    return folder


def unreachable(*arguments: object) -> None:
    """Fail as a database on a disk that is away."""
    raise sqlite3.OperationalError("unable to open database file")


def main(out: str, total: str, epoch_seconds: str, options: str) -> None:
    """Work on the tiny study in a process of its own, its epochs slowed down.

    A database's URL comes in the environment, as ``STUDY_STORAGE``.
    """
    import hpo.training.data
    import hpo.training.resumable
    from hpo.search.workers.worker import work
    from model.training.trainer import Trainer

    torch.set_num_threads(1)
    hpo.training.data.load = lambda **_: tiny_dataset()
    hpo.training.resumable.CHECKPOINT_SECONDS = 0
    epoch = Trainer._epoch

    def slow(self: Trainer, number: int) -> object:
        time.sleep(float(epoch_seconds))
        return epoch(self, number)

    Trainer._epoch = slow  # type: ignore[method-assign, assignment]
    job = tiny_job(Path(out), int(total), **json.loads(options))
    location = replace(job.run.location, storage=os.environ.get("STUDY_STORAGE"))
    work(replace(job, run=replace(job.run, location=location)))


def outcomes(job: Job) -> dict[str, float | None]:
    """Return the value of each configuration that finished, by its parameters and seed."""
    found = {}
    for trial in open_finished(job.run.location).trials:
        if trial.state.is_finished() and trial.state != TrialState.FAIL:
            key = json.dumps([trial.params, TrialRecord.of(trial).seed], sort_keys=True)
            assert key not in found, "a configuration finished twice"
            found[key] = trial.value
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])


@contextmanager
def frozen(
    command: Sequence[object],
    logs: pytest.LogCaptureFixture,
    *,
    until: str,
    ends: signal.Signals,
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is stopped at its first line, and sent ``ends`` when ``until`` is logged."""
    words = list(map(str, command))
    process = subprocess.Popen(words, stdout=subprocess.PIPE, **options)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGSTOP)

        def end() -> None:
            while until not in logs.text:
                time.sleep(0.05)
            process.send_signal(ends)

        ending = threading.Thread(target=end)
        ending.start()
        with logs.at_level("WARNING"):
            yield process
            ending.join()
    finally:
        process.kill()
        process.communicate()
