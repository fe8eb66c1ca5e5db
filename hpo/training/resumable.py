"""Training one configuration to its end, though the process may die on the way."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hpo.training.checkpoints import CHECKPOINT_SECONDS, Checkpoints
from hpo.training.data import StudyData
from model.hyperparameters import Budget, Hyperparameters
from model.net.saved import write
from model.net.siamese import SiameseNet
from model.training.trainer import EpochResult, Trainer

_PROBE_BATCHES = {"cpu": 8, "cuda": 200}


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """A finished training.

    Attributes:
        hyperparameters: what was trained.
        seed: of its weights and batches.
        history: one result per epoch.
        best_epoch: the one with the best one-shot validation accuracy, counted from 1.
        parameters: the net's state after it.
    """

    hyperparameters: Hyperparameters
    seed: int
    history: tuple[EpochResult, ...]
    best_epoch: int
    parameters: Mapping[str, Tensor]

    @property
    def seconds(self) -> float:
        """Of training and validation."""
        return sum(result.seconds for result in self.history)

    def net(self, device: torch.device | str = "cpu") -> SiameseNet:
        """Return the net of the best epoch, set to evaluation."""
        net = SiameseNet(self.hyperparameters.architecture)
        net.load_state_dict(self.parameters)
        return net.to(device).eval()


class Fitter:
    """Trains configurations on a study's inputs; what is finished or begun is not done again."""

    def __init__(self, inputs: StudyData, identity: Any, device: str, checkpoints: Checkpoints):
        self.inputs, self.identity = inputs, identity
        self.device, self.checkpoints = device, checkpoints

    def fit(
        self,
        hyperparameters: Hyperparameters,
        budget: Budget,
        seed: int,
        shown: Callable[[list[EpochResult]], None] = lambda history: None,
    ) -> Fit:
        """Return the fit of this configuration, budget and seed.

        Args:
            hyperparameters: what to train.
            budget: how long.
            seed: the same seed gives the same fit.
            shown: called with the history so far, after every epoch.
        """
        key = json.dumps(
            [self.identity, self.inputs.digest, hyperparameters.identity(), asdict(budget), seed],
            sort_keys=True,
        )
        number = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16)
        state = self.checkpoints.load(number, key)
        if state is None or "optimiser" in state:
            state = self._train(hyperparameters, budget, seed, state, number, key, shown)
        history = tuple(EpochResult(**result) for result in state["history"])
        shown(list(history))
        return Fit(
            hyperparameters=hyperparameters,
            seed=seed,
            history=history,
            best_epoch=state["best_epoch"],
            parameters=state["best_parameters"],
        )

    def _train(
        self,
        hyperparameters: Hyperparameters,
        budget: Budget,
        seed: int,
        state: dict[str, Any] | None,
        number: int,
        key: str,
        shown: Callable[[list[EpochResult]], None],
    ) -> dict[str, Any]:
        trainer = self._trainer(hyperparameters, budget, seed)
        if state is not None:
            trainer.load_state_dict(state)
        saved = time.monotonic()
        for _ in trainer.epochs():
            shown(trainer.history)
            if time.monotonic() - saved >= CHECKPOINT_SECONDS:
                self.checkpoints.save(number, key, trainer.state_dict())
                saved = time.monotonic()
        # What is finished needs no optimiser any more, and is told from what is begun by that.
        done = trainer.state_dict()
        done = {name: done[name] for name in ("history", "best_epoch", "best_parameters")}
        done["best_parameters"] = {n: v.cpu() for n, v in done["best_parameters"].items()}
        self.checkpoints.save(number, key, done)
        return done

    def fit_to_time(
        self, hyperparameters: Hyperparameters, budget: Budget, seconds: float, kept: Path
    ) -> Budget:
        """Return ``budget`` stretched or shrunk to about ``seconds`` of training on this machine.

        The number of epochs is scaled, and with it the rise of momentum and the cosine schedule.
        Patience grows but does not shrink: a short fit's validation is as noisy as a long one's.
        Where not even one epoch fits, it is cut short.
        Takes the time of a few minibatches and two validations.

        Args:
            hyperparameters: what is trained.
            budget: what to scale.
            seconds: of training and validation.
            kept: a file to keep the answer in, so that a fit that goes on finds the same.
        """
        with contextlib.suppress(OSError, ValueError, TypeError):
            return Budget(**json.loads(kept.read_bytes()))
        probe = replace(
            budget,
            epochs=2,
            teraflops=None,
            pairs_per_epoch=min(
                budget.pairs_per_epoch,
                _PROBE_BATCHES[torch.device(self.device).type]
                * hyperparameters.recipe.pairs_per_batch,
            ),
        )
        # The first minibatches set things up, and are slower than all that follow.
        *_, result = self._trainer(hyperparameters, probe, 0).epochs()
        pairs = probe.pairs_per_epoch
        training = budget.pairs_per_epoch / result.pairs_per_second
        validation = max(0.0, result.seconds - pairs / result.pairs_per_second)
        epochs = max(1, round(seconds / (training + validation)))
        scale = epochs / budget.epochs
        fraction = min(1.0, max(0.0, seconds - validation) / training)
        fit_to_time = replace(
            budget,
            epochs=epochs,
            pairs_per_epoch=max(1, round(budget.pairs_per_epoch * fraction)),
            patience=round(budget.patience * max(1.0, scale)),
            momentum_epochs=max(1, round(budget.momentum_epochs * scale)),
            seconds=None,
            teraflops=None,
        )
        kept.parent.mkdir(parents=True, exist_ok=True)
        write(kept, json.dumps(asdict(fit_to_time)).encode())
        return fit_to_time

    def _trainer(self, hyperparameters: Hyperparameters, budget: Budget, seed: int) -> Trainer:
        return Trainer(
            hyperparameters,
            self.inputs.train,
            self.inputs.validation,
            budget,
            seed=seed,
            device=self.device,
        )
