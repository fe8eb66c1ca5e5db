"""What follows the trials of a search as they run: the dashboard's notes, and a user's own hook."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from hpo.study.run import StudyRun
from hpo.study.trials import is_paused, original_number
from model.training.trainer import EpochResult, Trainer

_log = logging.getLogger(__name__)


class Observer:
    """Follows the trials that a process runs; each method does nothing unless it is overridden.

    None may raise an error: no note and no picture is worth a trial.
    """

    def on_start(self, trial: optuna.Trial, trainer: Trainer) -> None:
        """Called before the first epoch; a resumed trial has its history already."""

    def on_epoch(self, trial: optuna.Trial, trainer: Trainer) -> None:
        """Called after each epoch that is not the trial's last."""

    def on_end(self, trial: optuna.Trial, trainer: Trainer, pruned: bool) -> None:
        """Called after the last epoch, before the study is told: a told trial cannot be changed.

        It may leave the net with any parameters.
        """

    def between_trials(self) -> None:
        """Called before each trial and after it, however it ended."""


@dataclass(frozen=True, kw_only=True)
class TrialEpoch:
    """An epoch of a trial, as a hook is given it.

    Attributes:
        study: the study's name.
        trial: the trial's number; a retry has that of the first trial of its configuration, whose
            epochs it continues.
        params: the suggested values, by name.
        history: the results of all epochs so far; the last is that of this one.
        learning_rates: of this epoch, by layer.
        state: ``running``, or with the last epoch ``complete``, ``paused`` (at a rung, from which
            another trial of the configuration may go on) or ``pruned``.
    """

    study: str
    trial: int
    params: Mapping[str, Any]
    history: Sequence[EpochResult]
    learning_rates: Mapping[str, float]
    state: str

    @property
    def result(self) -> EpochResult:
        """What this epoch gave."""
        return self.history[-1]

    @property
    def best(self) -> float:
        """Best one-shot validation accuracy so far, in [0, 1]; in the end the trial's value."""
        return max(result.one_shot_accuracy for result in self.history)


OnEpoch = Callable[[TrialEpoch], object]
"""A hook; for several workers it must be one that `pickle` can send to other processes."""


class EpochHook(Observer):
    """Hands each epoch to a hook. The first error of it is a warning, and all are survived."""

    def __init__(self, run: StudyRun, on_epoch: OnEpoch):
        self._study, self._call, self._warned = run.location.name, on_epoch, False

    def on_epoch(self, trial: optuna.Trial, trainer: Trainer) -> None:
        """Hand on an epoch after which the trial goes on."""
        self._tell(trial, trainer, "running")

    def on_end(self, trial: optuna.Trial, trainer: Trainer, pruned: bool) -> None:
        """Hand on the last epoch."""
        stopped = "paused" if is_paused(trial) else "pruned"
        self._tell(trial, trainer, stopped if pruned else "complete")

    def _tell(self, trial: optuna.Trial, trainer: Trainer, state: str) -> None:
        groups = trainer.optimiser.param_groups
        try:
            self._call(
                TrialEpoch(
                    study=self._study,
                    trial=original_number(trial),
                    params=dict(trial.params),
                    history=tuple(trainer.history),
                    # On a GPU they are 32-bit floats.
                    learning_rates={g["layer"]: float(f"{float(g['lr']):.6g}") for g in groups},
                    state=state,
                )
            )
        except Exception as error:
            if not self._warned:
                _log.warning(
                    "trial %d: the hook on_epoch failed (%s: %s); the search goes on, and further "
                    "failures are not shown",
                    *(trial.number, type(error).__name__, error),
                )
            self._warned = True
