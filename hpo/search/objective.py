"""What a trial is: a configuration trained, reported every epoch, worth its best epoch."""

import json
import time

import optuna
import torch
from optuna.trial import BaseTrial

from hpo.search.artifacts.upload import TrialArtifacts
from hpo.study.config import StudyConfig
from hpo.study.provenance import versions
from hpo.study.samplers.table import trial_seed
from hpo.study.trials import (
    original_number,
    record_result,
    record_resume,
    record_seed,
    record_start,
    seed_of,
)
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
    ):
        self.config, self.inputs = config, inputs
        self.device, self.checkpoints = torch.device(device), checkpoints
        self.artifacts_of_trials = artifacts_of_trials
        self.space = config.space()
        # One line, which the dashboard shows as it is.
        self._versions = ", ".join(f"{name} {version}" for name, version in versions().items())

    def __call__(self, trial: BaseTrial) -> float:
        """Train what ``trial`` suggests.

        Raises:
            optuna.TrialPruned: the study's pruner stopped it.
        """
        seed = seed_of(trial)
        if seed is None:
            seed = trial_seed(self.config.search.seed, trial.number)
            record_seed(trial, seed)
        hyperparameters = self.space.suggest(trial)
        record_start(
            trial,
            parameters=parameter_count(hyperparameters.architecture),
            device=_device_name(self.device),
            versions=self._versions,
        )
        trainer = Trainer(
            hyperparameters,
            self.inputs.train,
            self.inputs.validation,
            self.config.training_budget(),
            seed=seed,
            device=self.device,
        )
        root = original_number(trial)
        key = self._key(trial, seed)
        self._resume(trial, trainer, root, key)
        pruned = self._train(trial, trainer, root, key)
        record_result(trial, trainer.history)
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
            if result.diverged and self.config.search.pruner != "none":
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
        record_resume(trial, len(trainer.history))

    def _key(self, trial: BaseTrial, seed: int) -> str:
        return json.dumps(
            [self.config.identity(), self.inputs.digest, dict(trial.params), seed],
            sort_keys=True,
        )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
