"""What a study costs beside its training: start-up, memory, and the search itself."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna

from hpo.search.objective import Objective
from hpo.search.workers.queue import next_trial
from hpo.search.workers.worker import run_trial
from hpo.study.files import load
from hpo.study.open import open_study
from hpo.study.run import StudyRun
from hpo.study.samplers.table import SAMPLERS
from hpo.study.storage.location import StudyLocation
from model.hyperparameters import Budget, Hyperparameters
from model.training.cost import estimate_seconds
from model.training.trainer import EpochResult
from tests import ROOT
from tests.benchmarks.harness import Context, Row
from tests.benchmarks.inputs import omniglot_root
from tests.hpo.support import distributions

_START = """
import sys, time
start = time.perf_counter()
import resource
from pathlib import Path
from hpo.study.files import load
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from hpo.training.data import load_data
config = load(sys.argv[1])
if sys.argv[3]:
    config = config.changed(dataset="omniglot")
run = StudyRun(config=config, location=StudyLocation(config.name), device=sys.argv[2],
               data_root=Path(sys.argv[3]) if sys.argv[3] else None)
inputs = load_data(run)
space = config.space()
first = space.hyperparameters(space.initial_configurations[0])
trainer = inputs.trainer(first, config.training_budget(), seed=0)
trainer.schedule.set(0)
trainer.net.train()
float(trainer.accumulate_gradients())
trainer.optimiser.step()
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def startup(context: Context) -> Iterator[Row]:
    """Measure a process from its first import to its first step, the cache warm."""
    root = omniglot_root()
    study = "compact" if root is not None and context.size != "toy" else "smoke"
    command = [sys.executable, "-c", _START, study, str(context.device)]
    command.append(str(root) if study == "compact" else "")

    def once() -> tuple[float, float]:
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        seconds, memory = map(float, done.stdout.split()[-2:])
        return seconds, memory

    once()
    taken = [once() for _ in range(min(context.rounds, 3))]
    note = f"study {study}, cache warm"
    yield Row("startup", "start to first step", [s for s, _ in taken], "s", note=note)
    yield Row("startup", "peak resident memory", [m for _, m in taken], "MiB", note=note)


class _Untrained:
    """Stands in for a trainer: its epochs come at once."""

    def __init__(self, hyperparameters: Hyperparameters, budget: Budget, seed: int):
        self.budget = budget
        self.history: list[EpochResult] = []
        self.best: EpochResult | None = None

    def finished(self) -> bool:
        return len(self.history) >= self.budget.epochs

    def epochs(self) -> Iterator[EpochResult]:
        for epoch in range(1, self.budget.epochs + 1):
            result = EpochResult(
                epoch=epoch,
                loss=0.5,
                verification_accuracy=0.7,
                one_shot_accuracy=0.3 + epoch / 100,
                seconds=8.0,
                pairs_per_second=800.0,
                pairs_seen=6400 * epoch,
                diverged=False,
            )
            self.history.append(result)
            self.best = result
            yield result


def search(context: Context) -> Iterator[Row]:
    """Measure all of a compact trial but its training: claim, sampling, reports, storage."""
    config = load("compact")
    space = config.space()
    start = space.hyperparameters(space.initial_configurations[0])
    trial_seconds = estimate_seconds(start, config.training_budget(), context.device)
    note = f"of a compact trial of {trial_seconds:.0f} s"
    counts = {"toy": (10,), "quick": (10, 200)}.get(context.size, (10, 100, 200))
    for sampler in SAMPLERS:
        for count in counts:
            changed = config.changed(sampler=sampler)
            with tempfile.TemporaryDirectory() as folder:
                run = StudyRun(config=changed, location=StudyLocation("compact", Path(folder)))
                study = open_study(run)
                _fill(study, distributions(changed.space()), count)
                taken = _time_trials(run, study, 1 if context.size == "toy" else 3)
            default = sampler == config.search.sampler
            share = [100 * each / trial_seconds for each in taken]
            yield Row(
                "search",
                f"{sampler}, {count} trials before{' (default)' if default else ''}",
                share,
                "%",
                2 if default else None,
                True,
                f"{note}; {sorted(taken)[len(taken) // 2]:.2f} s",
            )


def _fill(study: optuna.Study, distributions: dict[str, Any], count: int) -> None:
    """Add trials as a random search would have left them."""
    other = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(count):
        params = other.ask(distributions).params
        study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions=distributions,
                value=(number * 37 % 101) / 101,
                intermediate_values={epoch: 0.3 for epoch in range(1, 9)},
                user_attrs={"seed": number},
            )
        )


def _time_trials(run: StudyRun, study: optuna.Study, number: int) -> list[float]:
    inputs: Any = SimpleNamespace(digest="-", trainer=_Untrained)
    objective = Objective(run, inputs)
    taken = []
    for _ in range(number + 1):
        start = time.perf_counter()
        trial = next_trial(study, run.location, 10_000, seed=0)
        assert trial is not None
        failure = run_trial(study, trial, objective)
        assert failure is None, failure
        taken.append(time.perf_counter() - start)
    # The first one imports what its sampler needs.
    return taken[1:]
