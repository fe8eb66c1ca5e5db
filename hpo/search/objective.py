"""The objective: trains what a trial suggests, reports every epoch, returns the best accuracy."""

import json
from collections.abc import Callable
from typing import Any

import optuna
import torch
from optuna.trial import BaseTrial

from hpo.study.provenance import versions
from hpo.study.run import StudyRun
from hpo.study.samplers.table import PRUNERS, trial_seed
from hpo.study.trials import (
    original_number,
    record_result,
    record_resume,
    record_seed,
    record_start,
    seed_of,
)
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

    Running trials are saved in ``checkpoints``, under the study's ``identity``, if there are any.

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
        gpu = run.device.startswith("cuda")
        self._device = torch.cuda.get_device_name(run.device) if gpu else run.device
        self.checkpoints, self.on_trial_end = checkpoints, on_trial_end
        self.identity = identity or run.config.identity()
        self.space = run.config.space()
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
            device=self._device,
            versions=self._versions,
        )
        trainer = self.inputs.trainer(hyperparameters, self.config.training_budget(), seed)
        training = ResumableTraining(
            trainer,
            self.checkpoints,
            number=original_number(trial),
            key=self._key(trial, seed),
        )
        if training.resume():
            for result in trainer.history:
                trial.report(result.one_shot_accuracy, result.epoch)
            record_resume(trial, len(trainer.history))
        pruned = training.run(lambda result: self._report(trial, trainer, result))
        record_result(trial, trainer.history)
        if self.on_trial_end and isinstance(trial, optuna.Trial):
            self.on_trial_end(trial, trainer, pruned is not None)
        if pruned:
            raise optuna.TrialPruned(f"stopped by the pruner after epoch {pruned.epoch}")
        assert trainer.best is not None
        return trainer.best.one_shot_accuracy

    def _report(self, trial: BaseTrial, trainer: Trainer, result: EpochResult) -> bool:
        """Report an epoch; return whether the trial is to be pruned after it.

        Without a pruner, a diverged trial is complete, with the accuracy of its best epoch, which
        is chance if it never learnt. So is a collapsed one, with any pruner.
        """
        trial.report(result.one_shot_accuracy, result.epoch)
        # A finished trial keeps its value, whatever others have. A diverged one has none to speak
        # of; if it were complete, a sampler that learns from pruned trials too would rank it above
        # all of them.
        if result.diverged and PRUNERS[self.config.search.pruner].prunes:
            return True
        return not trainer.finished() and trial.should_prune()

    def _key(self, trial: BaseTrial, seed: int) -> str:
        parts = [self.identity, self.inputs.digest, dict(trial.params), seed]
        return json.dumps(parts, sort_keys=True)
