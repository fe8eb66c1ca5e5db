"""The project's own search: queue, objective, sampler, pruner; the net alone is replayed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from hpo.search.hooks import Observer
from hpo.search.objective import Objective
from hpo.search.workers.worker import Job, run_trials
from hpo.study.open import open_study
from hpo.study.run import StudyRun
from hpo.study.samplers.table import quiet
from hpo.study.storage.location import StudyLocation
from hpo.training.checkpoints import Checkpoints
from model.hyperparameters import Budget, Hyperparameters
from model.training.epoch import EpochResult
from tests.benchmarks.replay.ledger import Ledger, SpentError

_ENDLESS = 10**9
"""The study's total of trials: what ends it is the arithmetic."""


def searching(sampler: str, pruner: str) -> Callable[[Ledger, int], None]:
    """Return the search with a sampler and a pruner of `hpo.study.samplers.table`.

    A trial that is promoted resumes from its checkpoint, if the study has kept it.
    """

    def search(ledger: Ledger, seed: int) -> None:
        search_at(_InMemory("replay"), sampler, pruner, ledger, seed)

    return search


def search_at(
    location: StudyLocation, sampler: str, pruner: str, ledger: Ledger, seed: int
) -> None:
    """Search as `searching` does, the study kept at ``location``."""
    config = ledger.config.changed(sampler=sampler, pruner=pruner, seed=seed)
    run = StudyRun(config=config, location=location)
    inputs: Any = SimpleNamespace(
        digest="-", trainer=lambda *arguments: _Replay(ledger, *arguments)
    )
    checkpoints, names = _Checkpoints(), _NamesTheConfiguration()
    with quiet(), suppress(SpentError):
        study = open_study(run)
        objective = Objective(run, inputs, checkpoints=checkpoints, observers=[names])
        run_trials(Job(run=run, total=_ENDLESS), study, objective, checkpoints)


class _Replay:
    """Stands in for a `Trainer`: its epochs are the ledger's."""

    def __init__(self, ledger: Ledger, hyperparameters: Hyperparameters, budget: Budget, seed: int):
        self.ledger, self.budget = ledger, budget
        self.params: Mapping[str, Any] = {}
        self.history: list[EpochResult] = []

    @property
    def best(self) -> EpochResult | None:
        return max(self.history, key=lambda result: result.one_shot_accuracy, default=None)

    def finished(self) -> bool:
        return len(self.history) >= self.budget.epochs

    def epochs(self) -> Iterator[EpochResult]:
        for epoch, accuracy in self.ledger.epochs(self.params, after=len(self.history)):
            result = EpochResult(
                epoch=epoch,
                loss=0.5,
                verification_accuracy=0.5,
                one_shot_accuracy=accuracy,
                seconds=0.0,
                pairs_per_second=1.0,
                pairs_seen=epoch,
                diverged=False,
            )
            self.history.append(result)
            yield result

    def state_dict(self) -> dict[str, Any]:
        return {"history": tuple(self.history)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.history = list(state["history"])


class _NamesTheConfiguration(Observer):
    """Tells the stand-in what its trial suggests; a trainer knows a net, and not its parameters."""

    def on_start(self, trial: optuna.Trial, trainer: Any) -> None:
        trainer.params = dict(trial.params)


class _Checkpoints(Checkpoints):
    """Checkpoints that are written to no file."""

    def __init__(self) -> None:
        super().__init__(Path())
        self._kept: dict[int, tuple[str, dict[str, Any]]] = {}

    def save(self, number: int, key: str, state: dict[str, Any]) -> bool:
        self._kept[number] = key, state
        return True

    def load(self, number: int, key: str) -> dict[str, Any] | None:
        known, state = self._kept.get(number, (None, None))
        return state if known == key else None

    def remove(self, number: int) -> None:
        self._kept.pop(number, None)


@dataclass(frozen=True)
class _InMemory(StudyLocation):
    """A place that is on no disk; a database would take most of the time of a replay."""

    def database(self) -> Any:
        return _Storage()

    def make_folder(self) -> None:
        pass

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield


class _Storage(InMemoryStorage):
    """What the queue asks of a study's storage beyond what Optuna does."""

    @property
    def _backend(self) -> "_Storage":
        return self

    def claim(self, trial_id: int, key: str, value: Any) -> bool:
        if not self.set_trial_state_values(trial_id, TrialState.RUNNING):
            return False
        self.set_trial_system_attr(trial_id, key, value)
        return True
