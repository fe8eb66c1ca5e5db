"""Training one configuration: an iterator of one result per epoch (Koch et al., section 3.2)."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from data.batches.distort import Distortion, splice
from data.batches.one_shot import OneShotTrials
from data.batches.pairs import EpisodeSampler, Pairs, PairSampler
from data.drawings import Drawings
from model.evaluation.scores import accuracy, all_scores, credit, verification_accuracy
from model.hyperparameters import Budget, Hyperparameters
from model.net.calibration import best_threshold
from model.net.siamese import SiameseNet
from model.training.allocator import reusing_freed_memory
from model.training.averaging import AveragedNet
from model.training.cost import available_memory, pairs_that_fit, within_cost
from model.training.cuda_graph import EAGER_STEPS, can_record, record
from model.training.epoch import COLLAPSE_EPOCHS, EpochResult, epochs_at_chance
from model.training.loss import episode_loss
from model.training.optimiser import Schedule, build_optimiser
from model.training.precision import set_precision


@dataclass(frozen=True, eq=False)
class Validation:
    """What every epoch is validated on: one-shot trials, and pairs of the same drawings."""

    trials: OneShotTrials
    pairs: Pairs


class Trainer:
    """One configuration in training, from its first epoch or from a loaded state.

    ``keep`` says whose parameters are kept: those of the ``best`` epoch by one-shot validation
    accuracy, as in the paper, or those of the ``last``, where nothing is there to choose by; then
    patience ends nothing. Those of an epoch that diverged are kept only if it is the first.

    What is validated and kept is `evaluated`: the net in training, or the average of its weights.

    Every epoch's pairs, distortions and dropout are a function of ``seed`` and its number alone,
    so that an interrupted and resumed run gives what an unbroken one does.

    Example:
        >>> trainer = Trainer(hyperparameters, train, validation, budget, seed=0, device="cpu")
        >>> for result in trainer.epochs():
        ...     print(result.epoch, result.one_shot_accuracy)
        >>> trainer.evaluated.load_state_dict(trainer.best_parameters)
    """

    def __init__(
        self,
        hyperparameters: Hyperparameters,
        train: Drawings,
        validation: Validation,
        budget: Budget,
        *,
        seed: int,
        device: torch.device | str,
        keep: Literal["best", "last"] = "best",
    ):
        self.hyperparameters, self.seed, self.keep = hyperparameters, seed, keep
        architecture, recipe = hyperparameters.architecture, hyperparameters.recipe
        self.budget = within_cost(budget, architecture)
        self.device = torch.device(device)
        self.train_drawings = (train.rotated() if recipe.rotations else train).to(self.device)
        self.validation = Validation(
            validation.trials.to(self.device), validation.pairs.to(self.device)
        )
        sampler = PairSampler if recipe.batch == "pairs" else EpisodeSampler
        self.sampler: PairSampler | EpisodeSampler = sampler(self.train_drawings, seed)
        self.distortion = Distortion(
            strength=recipe.distortion, warp=recipe.warp, zoom=recipe.zoom, elastic=recipe.elastic
        )
        self.generator = torch.Generator(self.device)
        # Drawn on the CPU, so that a seed is the same net on every device.
        generator = torch.Generator().manual_seed(seed)
        self.net = SiameseNet(architecture, generator).to(self.device)
        set_precision(self.net, recipe, self.device)
        self.average = AveragedNet(self.net, recipe.averaging) if recipe.averaging else None
        self.recordable = can_record(self.device)
        self.optimiser = build_optimiser(
            self.net, hyperparameters.rates, recipe, recordable=self.recordable
        )
        self.schedule = Schedule(
            self.optimiser,
            hyperparameters.rates,
            recipe,
            budget,
            self.device if self.recordable else None,
        )
        self._eager_steps = 0
        self._replay: Callable[[], Tensor] | None = None
        self.pairs_that_fit = pairs_that_fit(
            architecture, available_memory(self.device), self.net.conv1_as_product
        )
        self.history: list[EpochResult] = []
        self.best: EpochResult | None = None
        self.best_parameters: dict[str, Tensor] = {}

    @property
    def evaluated(self) -> SiameseNet:
        """The net that is validated, and whose parameters are kept."""
        return self.net if self.average is None else self.average.net

    def epochs(self) -> Iterator[EpochResult]:
        """Yield one result per epoch until the budget, the patience or the net gives out.

        The last epoch of a training that is at chance again is marked as collapsed.
        """
        with reusing_freed_memory():
            while not self.finished():
                yield self._next()

    def _next(self) -> EpochResult:
        result = self._epoch(len(self.history))
        self.history.append(result)
        if self.best is None or (
            not result.diverged  # whose chance level may be above a poor start
            and (self.keep == "last" or result.one_shot_accuracy > self.best.one_shot_accuracy)
        ):
            self.best = result
            self.best_parameters = {
                name: value.detach().clone() for name, value in self.evaluated.state_dict().items()
            }
        trials = self.validation.trials
        at_chance = epochs_at_chance(
            self.history, self.hyperparameters.recipe, way=trials.way, trials=len(trials)
        )
        if at_chance >= COLLAPSE_EPOCHS or (at_chance and self.finished()):
            result = self.history[-1] = replace(result, collapsed=True)
        return result

    def finished(self) -> bool:
        """Whether there is no epoch left to train."""
        if not self.history:
            return False
        last, best = self.history[-1], self.best
        assert best is not None
        spent = sum(result.seconds for result in self.history)
        return (
            last.diverged
            or last.collapsed
            or last.epoch >= self.budget.epochs
            or last.epoch - best.epoch >= self.budget.patience
            or (self.budget.seconds is not None and spent >= self.budget.seconds)
        )

    def _epoch(self, number: int) -> EpochResult:
        start = time.perf_counter()
        # Large odd multipliers keep the streams of neighbouring seeds and epochs apart.
        seed = (self.seed * 1_000_003 + number * 7_919) % 2**62
        self.sampler.reseed(seed)
        self.generator.manual_seed(seed + 1)
        torch.manual_seed(seed + 2)
        recipe = self.hyperparameters.recipe
        steps = max(1, self.budget.pairs_per_epoch // recipe.pairs_per_batch)
        self.net.train()
        total = torch.zeros((), device=self.device)
        for step in range(steps):
            self.schedule.set(number, step / steps)
            if self.average is not None:
                self.average.set(number * steps + step + 1)
            total += self.step()
            # On a GPU the question would make the host wait for the device at every step.
            if self.device.type == "cpu" and not math.isfinite(total.item()):
                break
        pairs = (step + 1) * recipe.pairs_per_batch
        mean_loss = float(total) / (step + 1)
        trained = time.perf_counter() - start
        trials, same = self.validation.trials, self.validation.pairs.same
        scores, verification = all_scores(self.evaluated, trials, self.validation.pairs)
        spread = float(scores.max() - scores.min())
        diverged = not (math.isfinite(mean_loss) and math.isfinite(spread) and spread > 0)
        seen = self.history[-1].pairs_seen if self.history else 0
        return EpochResult(
            epoch=number + 1,
            loss=round(mean_loss, 7),
            verification_accuracy=(
                0.5
                if diverged
                else verification_accuracy(verification, same, best_threshold(verification, same))
            ),
            one_shot_accuracy=(
                round(1 / trials.way, 7) if diverged else accuracy(credit(scores, trials.answer))
            ),
            seconds=round(time.perf_counter() - start, 4),
            pairs_per_second=round(pairs / trained, 2),
            pairs_seen=seen + pairs,
            diverged=diverged,
        )

    def step(self) -> Tensor:
        """Train on the next minibatch and return its mean loss, a scalar good until the next step.

        On a GPU the first few steps run as they are; then one is recorded, and replayed ever after.
        """
        if self._replay is None and self.recordable and self._eager_steps >= EAGER_STEPS:
            generators = (self.sampler.generator, self.generator)
            self._replay = record(self._step, self.device, generators)
        if self._replay is not None:
            return self._replay()
        self._eager_steps += 1
        return self._step()

    def _step(self) -> Tensor:
        self.optimiser.zero_grad()
        loss = self.accumulate_gradients()
        self.optimiser.step()
        if self.average is not None:
            self.average.update()
        return loss

    def minibatch(self) -> tuple[Tensor, Tensor | None]:
        """Draw the next images, ``[rows, 2 * way, 1, H, H]``, and of pairs ``same`` ``[rows]``."""
        recipe = self.hyperparameters.recipe
        if isinstance(self.sampler, PairSampler):
            pairs = self.sampler.draw(recipe.pairs)
            index, same = torch.stack([pairs.a, pairs.b], 1)[:, None], pairs.same
        else:
            # [episodes, way, 2]: row by row like pairs, so that both kinds are cut alike.
            index, same = self.sampler.draw(recipe.episodes, recipe.way, recipe.across), None
        images = self.train_drawings.images(index.flatten())
        if recipe.splice:
            episodes = images.view(*index.shape, *images.shape[2:])
            images = splice(episodes, recipe.splice, self.generator).view_as(images)
        images = self.distortion(images, self.generator, group=2 * index.shape[1])
        return images.unflatten(0, (len(index), -1)), same

    def accumulate_gradients(self) -> Tensor:
        """Draw the next minibatch, add its gradients, and return its mean loss (a scalar).

        A minibatch whose activations would not fit memory goes through the net in parts, whose
        gradients add up to the same; batch normalisation needs it whole.
        """
        images, same = self.minibatch()
        rows, way = images.shape[0], images.shape[1] // 2
        whole = self.hyperparameters.architecture.normalisation == "batch"
        part = rows if whole else min(rows, max(1, self.pairs_that_fit // way))
        total = torch.zeros((), device=self.device)
        for start in range(0, rows, part):
            twins = self.net.embed(images[start : start + part].flatten(0, 1)).unflatten(0, (-1, 2))
            first, second = twins.unbind(1)
            if same is not None:
                loss = F.binary_cross_entropy_with_logits(
                    self.net.score(first, second), same[start : start + part]
                )
            else:
                kind = self.hyperparameters.recipe.loss
                first, second = first.unflatten(0, (-1, way)), second.unflatten(0, (-1, way))
                loss = episode_loss(self.net.score(first[:, :, None], second[:, None]), kind)
            loss = loss * (min(part, rows - start) / rows)
            loss.backward()
            total += loss.detach()
        return total

    def state_dict(self) -> dict[str, Any]:
        """Return all that training needs to go on: tensors and plain values only."""
        average = {} if self.average is None else {"average": self.average.net.state_dict()}
        return {
            **average,
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": [asdict(result) for result in self.history],
            "best_epoch": self.best.epoch if self.best else None,
            "best_parameters": self.best_parameters,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned, of a trainer made with the same arguments."""
        self.net.load_state_dict(state["net"])
        if self.average is not None:
            self.average.net.load_state_dict(state["average"])
        # Its groups are this trainer's own: they follow from its arguments and its device.
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({**state["optimiser"], "param_groups": groups})
        # The optimiser's state lies elsewhere now.
        self._eager_steps, self._replay = 0, None
        self.history = [EpochResult(**result) for result in state["history"]]
        best = state["best_epoch"]
        self.best = self.history[best - 1] if best else None
        self.best_parameters = dict(state["best_parameters"])
