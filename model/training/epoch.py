"""The result of one epoch, and when a training has collapsed; named by a study without torch.

A training has collapsed once it had left chance and its net says nothing any more.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from model.hyperparameters import Recipe

COLLAPSE_EPOCHS = 5
"""Epochs in a row at chance after which a training is given up; the paper's patience is 20."""

_ABOVE, _WITHIN = 6, 3
"""Standard errors: clearly above chance from so many on, not above it up to so many."""
_CONSTANT = 0.99


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """What one epoch gave.

    Attributes:
        epoch: counted from 1.
        loss: mean training loss over the epoch's minibatches, without the L2 terms.
        verification_accuracy: on the validation pairs, in [0, 1], at the threshold that suits them
            best: scores learnt in episodes have no zero of their own.
        one_shot_accuracy: on the validation trials, in [0, 1]; chance if diverged.
        seconds: training and validation.
        pairs_per_second: training alone.
        pairs_seen: since the first epoch.
        diverged: the loss is not finite, or the net gives every pair the same score.
        collapsed: the last epoch of a training that fell back to chance, see `epochs_at_chance`.
    """

    epoch: int
    loss: float
    verification_accuracy: float
    one_shot_accuracy: float
    seconds: float
    pairs_per_second: float
    pairs_seen: int
    diverged: bool
    collapsed: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values, None for a number that is not finite."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def epochs_at_chance(
    history: Sequence[EpochResult], recipe: Recipe, *, way: int, trials: int
) -> int:
    """Return how many epochs, the last ones, are back at chance; 0 if the net never left it.

    At chance is an epoch whose one-shot accuracy is within three standard errors of chance and
    whose training loss is that of a net with a constant output, or more. One alone proves little:
    few trials are noisy, and a net may overfit with a low loss. A net has left chance once it was
    six standard errors above it, so that one which has not begun to learn is given its time.

    Args:
        history: one result per epoch.
        recipe: whose loss it is.
        way: of the validation trials.
        trials: how many there are.
    """
    chance = 1 / way
    error = math.sqrt(chance * (1 - chance) / trials)
    constant = math.log(recipe.way) if recipe.loss == "episode" else math.log(2)
    count = 0
    for result in reversed(history):
        at_chance = result.one_shot_accuracy <= chance + _WITHIN * error
        if not (at_chance and result.loss >= _CONSTANT * constant):
            break
        count += 1
    before = history[: len(history) - count]
    left = any(result.one_shot_accuracy >= chance + _ABOVE * error for result in before)
    return count if left else 0
