"""What a trial is: a configuration trained, reported every epoch, worth its best epoch."""

import json
import time
from dataclasses import asdict
from typing import Any

import optuna
import torch
from optuna.trial import BaseTrial

from hpo.search.artifacts.upload import TrialArtifacts
from hpo.study.config import StudyConfig
from hpo.study.provenance import versions
from hpo.study.samplers.table import PRUNERS, trial_seed
from hpo.study.trials import HISTORY, SUGGESTED
from hpo.training.checkpoints import CHECKPOINT_SECONDS, Checkpoints
from hpo.training.data import StudyData
from model.net.siamese import parameter_count
from model.training.trainer import EpochResult, Trainer


class Objective:
    """From a trial to its value, the best one-shot validation accuracy of any epoch, in [0, 1].

    Example:
        >>> objective = Objective(definition, inputs, device="cpu")
        >>> objective(optuna.trial.FixedTrial(definition.space().starts[0]))
        0.41
    """

    def __init__(
        self,
        config: StudyConfig,
        inputs: StudyData,
        *,
        device: torch.device | str,
        checkpoints: Checkpoints | None = None,
        artifacts_of_trials: TrialArtifacts | None = None,
        identity: dict[str, Any] | None = None,
    ):
        self.config, self.inputs = config, inputs
        self.device, self.checkpoints = torch.device(device), checkpoints
        self.artifacts_of_trials = artifacts_of_trials
        # Checkpoints are kept under it.
        self.identity = identity or config.identity()
        self.space = config.space()
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
        trainer = Trainer(
            hyperparameters,
            self.inputs.train,
            self.inputs.validation,
            self.config.training_budget(),
            seed=seed,
            device=self.device,
        )
        root = trial.user_attrs.get("retry_of", trial.number)
        key = self._key(trial, seed)
        self._resume(trial, trainer, root, key)
        pruned = self._train(trial, trainer, root, key)
        _record(trial, trainer)
        if self.artifacts_of_trials and isinstance(trial, optuna.Trial):
            self.artifacts_of_trials.add(trial, trainer, pruned=pruned is not None)
        if pruned:
            raise optuna.TrialPruned(f"stopped by the pruner after epoch {pruned.epoch}")
        assert trainer.best is not None
        return trainer.best.one_shot_accuracy

    def _train(self, trial: BaseTrial, trainer: Trainer, root: int, key: str) -> EpochResult | None:
        """Train to the end and return None, or the result after which the trial is pruned.

        Where nothing is pruned, a diverged trial is complete and worth chance.
        """
        saved = time.monotonic()
        for result in trainer.epochs():
            trial.report(result.one_shot_accuracy, result.epoch)
            # A trial that has come to its end has its value, whatever others have. One that
            # diverged has none to speak of; were it complete, a sampler that learns from pruned
            # trials too would take it for better than all of them.
            if result.diverged and PRUNERS[self.config.search.pruner].prunes:
                return result
            if not trainer.finished() and trial.should_prune():
                return result
            if self.checkpoints and time.monotonic() - saved >= CHECKPOINT_SECONDS:
                self.checkpoints.save(root, key, trainer.state_dict())
                saved = time.monotonic()
        return None

    def _resume(self, trial: BaseTrial, trainer: Trainer, root: int, key: str) -> None:
        state = self.checkpoints.load(root, key) if self.checkpoints else None
        if state is None:
            return
        trainer.load_state_dict(state)
        for result in trainer.history:
            trial.report(result.one_shot_accuracy, result.epoch)
        trial.set_user_attr("resumed_after_epoch", len(trainer.history))

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
        # Among the attributes for people it would make the dashboard's page metres wide.
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
