"""The objective: trains what a trial suggests, reports every epoch, returns the best accuracy."""

import json
from collections.abc import Sequence
from typing import Any

import optuna
import torch
from optuna.trial import BaseTrial

from hpo.search.hooks import Observer
from hpo.study.provenance import versions
from hpo.study.run import StudyRun
from hpo.study.samplers.table import PRUNERS, trial_seed
from hpo.study.trials import (
    original_number,
    record_paused,
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


class Objective:
    """From a trial to its value, the best one-shot validation accuracy of any epoch, in [0, 1].

    Running trials are saved in ``checkpoints``, under the study's ``identity``, if there are any;
    the ``observers`` follow them.

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
        observers: Sequence[Observer] = (),
        identity: dict[str, Any] | None = None,
    ):
        self.config, self.inputs = run.config, inputs
        gpu = run.device.startswith("cuda")
        self._device = torch.cuda.get_device_name(run.device) if gpu else run.device
        self.checkpoints, self.observers = checkpoints, observers
        self.identity = identity or run.config.identity()
        self.space = run.config.space()
        self._promotes = bool(run.config.rungs())
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
        observed = [(o, trial) for o in self.observers if isinstance(trial, optuna.Trial)]
        for observer, running in observed:
            observer.on_start(running, trainer)

        def on_epoch(result: EpochResult) -> bool:
            pruned = self._report(trial, trainer, result)
            if not (pruned or trainer.finished()):
                for observer, running in observed:
                    observer.on_epoch(running, trainer)
            return pruned

        pruned = training.run(on_epoch)
        if pruned and self._promotes and not (pruned.diverged or pruned.collapsed):
            training.save()
            record_paused(trial)
        record_result(trial, trainer.history)
        for observer, running in observed:
            observer.on_end(running, trainer, pruned is not None)
        if pruned:
            raise optuna.TrialPruned(f"stopped by the pruner after epoch {pruned.epoch}")
        assert trainer.best is not None
        return trainer.best.one_shot_accuracy

    def between_trials(self) -> None:
        """Let the observers know that a trial is to begin, or has ended, however it did."""
        for observer in self.observers:
            observer.between_trials()

    def _report(self, trial: BaseTrial, trainer: Trainer, result: EpochResult) -> bool:
        """Report an epoch; return whether the trial is to be pruned after it.

        Without a pruner, a diverged trial is complete, with the accuracy of its best epoch, which
        is chance if it never learnt. So is a collapsed one, unless the pruner promotes: complete
        are then those that came to the end, and no others.
        """
        trial.report(result.one_shot_accuracy, result.epoch)
        # A finished trial keeps its value, whatever others have. A diverged one has none to speak
        # of; if it were complete, a sampler that learns from pruned trials too would rank it above
        # all of them.
        if result.diverged and PRUNERS[self.config.search.pruner].prunes:
            return True
        if result.collapsed and self._promotes:
            return True
        return not trainer.finished() and trial.should_prune()

    def _key(self, trial: BaseTrial, seed: int) -> str:
        parts = [self.identity, self.inputs.digest, dict(trial.params), seed]
        return json.dumps(parts, sort_keys=True)
