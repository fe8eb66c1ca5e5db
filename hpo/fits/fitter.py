"""A fit: one configuration trained for one budget and seed, and kept until its folder is done."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hpo.training.checkpoints import Checkpoints
from hpo.training.data import StudyData
from hpo.training.resumable import ResumableTraining
from model.hyperparameters import Budget, Hyperparameters
from model.net.siamese import SiameseNet
from model.training.trainer import EpochResult

_RESULT = ("history", "best_epoch", "best_parameters")
"""What is kept of a finished fit: it needs no optimiser, and is recognised by having none."""
_RETRY = 500_000
"""From a seed to that of its retry, which nothing else uses."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedNet:
    """A finished fit.

    Attributes:
        seed: of its weights and batches.
        history: one result per epoch.
        best_epoch: the epoch that was kept, counted from 1: that of the best one-shot validation
            accuracy, or the last; see `StudyData.keep`.
        parameters: the net's state after it.
        retry_of: the seed that collapsed, and that this one was trained instead of; None if none.
        lost: the seconds that it took.
    """

    hyperparameters: Hyperparameters
    seed: int
    history: tuple[EpochResult, ...]
    best_epoch: int
    parameters: Mapping[str, Tensor]
    retry_of: int | None = None
    lost: float = 0.0

    @property
    def collapsed(self) -> bool:
        """Whether the training ended because it diverged, or fell back to chance."""
        return self.history[-1].diverged or self.history[-1].collapsed

    @property
    def usable(self) -> bool:
        """Whether its net has scores to tell drawings by; one that diverged at once has none."""
        return not self.history[self.best_epoch - 1].diverged

    @property
    def seconds(self) -> float:
        """Of training and validation, that of a seed that collapsed before included."""
        return self.lost + sum(result.seconds for result in self.history)

    def net(self, device: torch.device | str = "cpu") -> SiameseNet:
        """Return the net of the kept epoch, set to evaluation."""
        net = SiameseNet(self.hyperparameters.architecture)
        net.load_state_dict(self.parameters)
        return net.to(device).eval()


class Fitter:
    """Trains configurations on a study's data; finished fits are loaded, begun ones resumed.

    All are kept in ``checkpoints``, under what else they depend on: ``identity``, JSON values.
    """

    def __init__(self, inputs: StudyData, identity: Any, checkpoints: Checkpoints):
        self.inputs, self.identity, self.checkpoints = inputs, identity, checkpoints

    def fit(
        self,
        hyperparameters: Hyperparameters,
        budget: Budget,
        seed: int,
        on_epoch: Callable[[list[EpochResult]], None] = lambda history: None,
    ) -> TrainedNet:
        """Return the fit of this configuration, budget and seed, the same at every call.

        A fit that collapses is retried once with another seed, and the retry returned. ``on_epoch``
        is called with the history so far, after every epoch.
        """
        first = self._fit(hyperparameters, budget, seed, on_epoch)
        if not first.collapsed:
            return first
        second = self._fit(hyperparameters, budget, seed + _RETRY, on_epoch)
        return replace(second, retry_of=first.seed, lost=first.seconds)

    def _fit(
        self,
        hyperparameters: Hyperparameters,
        budget: Budget,
        seed: int,
        on_epoch: Callable[[list[EpochResult]], None],
    ) -> TrainedNet:
        parts = [
            self.identity,
            self.inputs.digest,
            hyperparameters.identity(),
            asdict(budget),
            seed,
        ]
        if self.inputs.keep == "last":
            parts.append("last")  # else as it always was, so that earlier fits are found again
        key = json.dumps(parts, sort_keys=True)
        number = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16)
        state = self.checkpoints.load(number, key)
        if state is None or state.keys() != set(_RESULT):
            trainer = self.inputs.trainer(hyperparameters, budget, seed)
            training = ResumableTraining(trainer, self.checkpoints, number=number, key=key)
            training.resume()

            def proceed(_: EpochResult) -> bool:
                on_epoch(trainer.history)
                return False

            training.run(proceed)
            whole = trainer.state_dict()
            state = {name: whole[name] for name in _RESULT}
            state["best_parameters"] = {n: v.cpu() for n, v in state["best_parameters"].items()}
            self.checkpoints.save(number, key, state)
        history = tuple(EpochResult(**result) for result in state["history"])
        on_epoch(list(history))
        return TrainedNet(
            hyperparameters=hyperparameters,
            seed=seed,
            history=history,
            best_epoch=state["best_epoch"],
            parameters=state["best_parameters"],
        )
