"""The paper's per-layer optimiser (section 3.2), its schedules, and AdamW on the same groups."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from model.hyperparameters import Budget, LayerRates, Recipe
from model.net.siamese import SiameseNet

INITIAL_MOMENTUM = 0.5
LEARNING_RATE_DECAY = 0.99


class LayerwiseSGD(torch.optim.Optimizer):
    """``v = -learning_rate * gradient + momentum * v``, ``w = w + v``, for each group by itself.

    The gradient includes that of ``l2 * |w|^2``, which is ``2 * l2 * w``.
    """

    def __init__(self, groups: list[dict[str, Any]]):
        super().__init__(groups, {"lr": 0.0, "momentum": 0.0, "l2": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            if not weights:
                continue
            velocities: list[Tensor] = []
            for weight in weights:
                state = self.state[weight]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(weight)
                velocities.append(state["velocity"])
            # The rates may be tensors, which ``alpha`` cannot be; gradients have served after this.
            gradients = [w.grad for w in weights]
            if group["l2"]:
                torch._foreach_add_(gradients, weights, alpha=2 * group["l2"])
            torch._foreach_mul_(gradients, group["lr"])
            torch._foreach_mul_(velocities, group["momentum"])
            torch._foreach_sub_(velocities, gradients)
            torch._foreach_add_(weights, velocities)


def parameter_groups(net: SiameseNet, rates: Mapping[str, LayerRates]) -> list[dict[str, Any]]:
    """Return two groups a layer: its weights with its L2, its biases and scales without."""
    groups = []
    for name, modules in net.layers().items():
        layer = modules[0]
        weights = [layer.weight]
        others = [p for module in modules for p in module.parameters() if p is not layer.weight]
        for parameters, l2 in ((weights, rates[name].l2), (others, 0.0)):
            groups.append({"params": parameters, "layer": name, "l2": l2})
    return groups


def build_optimiser(
    net: SiameseNet,
    rates: Mapping[str, LayerRates],
    recipe: Recipe,
    *,
    recordable: bool = False,
) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over the net's layers; a `Schedule` sets its rates.

    ``recordable``: its steps may be recorded (`model.training.cuda_graph`).
    """
    groups = parameter_groups(net, rates)
    if recipe.optimiser == "sgd":
        return LayerwiseSGD(groups)
    decayed: list[dict[str, nn.Parameter | Any]] = [
        {**group, "weight_decay": group["l2"]} for group in groups
    ]
    optimiser = torch.optim.AdamW(decayed, fused=True, capturable=recordable)
    # Torch would warn of the steps that are taken before the recording.
    optimiser._warned_capturable_if_run_uncaptured = True
    return optimiser


class Schedule:
    """Each layer's learning rate and momentum as training goes on.

    Given a ``device``, it keeps them in tensors there, where a recorded step reads them.
    """

    def __init__(
        self,
        optimiser: torch.optim.Optimizer,
        rates: Mapping[str, LayerRates],
        recipe: Recipe,
        budget: Budget,
        device: torch.device | None = None,
    ):
        self.optimiser, self.rates, self.recipe, self.budget = optimiser, rates, recipe, budget
        self._kept: Tensor | None = None
        if device is not None:
            self._kept = torch.zeros(len(optimiser.param_groups), 2, device=device)
            self._views = [(row[0], row[1]) for row in self._kept]

    def set(self, epoch: int, fraction: float = 0.0) -> None:
        """Set the rates for the given ``fraction`` of ``epoch`` (counted from 0).

        Exponential learning rates and SGD's momentum change between epochs, as in the paper; the
        cosine runs on within them.
        """
        if self.recipe.schedule == "exponential":
            factor = LEARNING_RATE_DECAY**epoch
        elif self.recipe.schedule == "constant":
            factor = 1.0
        else:
            factor = 0.5 + 0.5 * math.cos(math.pi * (epoch + fraction) / self.budget.epochs)
        groups = self.optimiser.param_groups
        rates = [self.rates[group["layer"]] for group in groups]
        now: Sequence[tuple[float | Tensor, float | Tensor]] = [
            (
                rate.learning_rate * self.recipe.rate_factor * factor,
                momentum_at(epoch, rate.momentum, self.budget.momentum_epochs),
            )
            for rate in rates
        ]
        if self._kept is not None:
            # In one copy, for which the host does not wait.
            self._kept.copy_(torch.tensor(now), non_blocking=True)
            now = self._views
        for group, rate, (learning_rate, momentum) in zip(groups, rates, now, strict=True):
            group["lr"] = learning_rate
            if self.recipe.optimiser == "sgd":
                group["momentum"] = momentum
            else:
                group["betas"] = (rate.momentum, 0.999)


def momentum_at(epoch: int, final: float, epochs: int) -> float:
    """Return a layer's momentum in ``epoch`` (from 0): a line from 0.5 to ``final``, then level."""
    return INITIAL_MOMENTUM + (final - INITIAL_MOMENTUM) * min(epoch / max(epochs, 1), 1.0)
