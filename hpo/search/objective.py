"""The objective: trains what a trial suggests, reports every epoch, returns the best accuracy."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import optuna
import torch
from optuna.trial import BaseTrial

from hpo.study.provenance import versions
from hpo.study.run import StudyRun
from hpo.study.samplers.table import PRUNERS, trial_seed
from hpo.study.trials import HISTORY, SUGGESTED
from hpo.training.checkpoints import Checkpoints
from hpo.training.data import StudyData
from hpo.training.resumable import ResumableTraining
from model.net.siamese import parameter_count
from model.training.trainer import EpochResult, Trainer

OnTrialEnd = Callable[[optuna.Trial, Trainer, bool], None]
"""Called with a trial whose training ended, its trainer, and whether it was pruned; before the
study is told, since a told trial cannot be changed. It may leave the net with any parameters."""


class Objective:
    """From a trial to its value, the best one-shot validation accuracy of any epoch, in [0, 1].

    Args:
        run: the study's.
        inputs: what to train and validate on.
        checkpoints: where running trials are saved; None to save nothing.
        on_trial_end: called with each trial of the study whose training ended.

    Example:
        >>> objective = Objective(run, load_data(run))
        >>> objective(optuna.trial.FixedTrial(objective.space.initial_configurations[0]))
        0.41
    """

    def __init__(
        self,
        run: StudyRun,
        inputs: StudyData,
        *,
        checkpoints: Checkpoints | None = None,
        on_trial_end: OnTrialEnd | None = None,
        identity: dict[str, Any] | None = None,
    ):
        self.config, self.inputs = run.config, inputs
        self.device, self.checkpoints = torch.device(run.device), checkpoints
        self.on_trial_end = on_trial_end
        # Checkpoints are kept under it.
        self.identity = identity or run.config.identity()
        self.space = run.config.space()
        # One line, which the dashboard shows as it is.
        self._versions = ", ".join(f"{name} {version}" for name, version in versions().items())

    def __call__(self, trial: BaseTrial) -> float:
        """Train what ``trial`` suggests.

        Raises:
            optuna.TrialPruned: the study's pruner stopped it.
        """
        seed = trial.user_attrs.get("seed")
        if seed is None:
            seed = trial_seed(self.config.search.seed, trial.number)
            trial.set_user_attr("seed", seed)
        hyperparameters = self.space.suggest(trial)
        trial.set_user_attr(SUGGESTED, parameter_count(hyperparameters.architecture))
        trial.set_user_attr("device", _device_name(self.device))
        trial.set_user_attr("versions", self._versions)
        trainer = self.inputs.trainer(hyperparameters, self.config.training_budget(), seed)
        root = trial.user_attrs.get("retry_of", trial.number)
        training = ResumableTraining(
            trainer, self.checkpoints, number=root, key=self._key(trial, seed)
        )
        if training.resume():
            for result in trainer.history:
                trial.report(result.one_shot_accuracy, result.epoch)
            trial.set_user_attr("resumed_after_epoch", len(trainer.history))
        pruned = training.run(lambda result: self._report(trial, trainer, result))
        _record(trial, trainer)
        if self.on_trial_end and isinstance(trial, optuna.Trial):
            self.on_trial_end(trial, trainer, pruned is not None)
        if pruned:
            raise optuna.TrialPruned(f"stopped by the pruner after epoch {pruned.epoch}")
        assert trainer.best is not None
        return trainer.best.one_shot_accuracy

    def _report(self, trial: BaseTrial, trainer: Trainer, result: EpochResult) -> bool:
        """Report an epoch; return whether the trial is to be pruned after it.

        Without a pruner, a diverged trial is complete, with the accuracy of chance.
        """
        trial.report(result.one_shot_accuracy, result.epoch)
        # A finished trial keeps its value, whatever others have. A diverged one has none to speak
        # of; if it were complete, a sampler that learns from pruned trials too would rank it above
        # all of them.
        if result.diverged and PRUNERS[self.config.search.pruner].prunes:
            return True
        return not trainer.finished() and trial.should_prune()

    def _key(self, trial: BaseTrial, seed: int) -> str:
        return json.dumps(
            [self.identity, self.inputs.digest, dict(trial.params), seed],
            sort_keys=True,
        )


def _record(trial: BaseTrial, trainer: Trainer) -> None:
    history, best = trainer.history, trainer.best
    assert best is not None
    attributes: dict[str, Any] = {
        "best_epoch": best.epoch,
        "verification_accuracy": best.verification_accuracy,
        "pairs_seen": history[-1].pairs_seen,
        "seconds": sum(result.seconds for result in history),
        "diverged": history[-1].diverged,
    }
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    if isinstance(trial, optuna.Trial):
        # Among the attributes for people it would clutter the dashboard.
        results = [_finite(asdict(result)) for result in history]
        trial.storage.set_trial_system_attr(trial._trial_id, HISTORY, results)


def _finite(result: dict[str, Any]) -> dict[str, Any]:
    """Return the result with None for what JSON has no number for."""
    infinite = float("inf")
    return {
        name: None if isinstance(value, float) and not -infinite < value < infinite else value
        for name, value in result.items()
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
