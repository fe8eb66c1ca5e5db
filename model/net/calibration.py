"""From a logit to a similarity that means something: Platt's calibration."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_HIGHEST, _LOWEST = 6.0, 40.0
"""Where the highest and lowest validation logits come at most, before the sigmoid.

Float32 is coarse near 1: at 6 (0.9975) similarities are told apart from a difference of 2e-5 of
a logit on, at 10 from 1e-3 on. Near 0 it is fine as far as -87, where it ends.
"""
_NARROWEST = 1e-6
"""The least range of logits: a net that says nothing gives all pairs the same."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """``similarity = sigmoid(scale * (logit - shift))``, so that 0.5 is the threshold.

    A loss over episodes fixes differences of logits only, so that their level says nothing and
    the sigmoid of a logit may be 1 for every pair.

    Attributes:
        shift: the logit from which on two drawings count as of one character.
        scale: above 0, so that similarities have the order of the logits.

    Raises:
        ValueError: a number is not finite, or the scale not above 0.
    """

    shift: float
    scale: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.shift) and math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(
                f"shift {self.shift} and scale {self.scale}: finite, the scale above 0"
            )

    def __call__(self, logits: Tensor) -> Tensor:
        """Return the similarities, in [0, 1], in the logits' own precision.

        Written out, since the sigmoid of ONNX runtimes may be 0 from -18 downwards.
        """
        level = self.logits(logits)
        odds = (-level.abs()).exp()
        tail = odds / (1 + odds)
        return (1 - tail).where(level > 0, tail)

    def logits(self, logits: Tensor) -> Tensor:
        """Return the logits of the similarities, 0 at the threshold."""
        return (logits - self.shift) * self.scale

    @classmethod
    def fit(cls, scores: Tensor, same: Tensor) -> "Calibration":
        """Return the calibration of validation pairs (Platt 1999).

        The shift is the threshold with the highest accuracy, the scale the most likely one given
        it, bounded so that float32 similarities are distinct over these logits and well beyond.
        Scores that are not finite are left out.

        Args:
            scores: logits ``[B]``.
            same: 1 where a pair is of one character, else 0, ``[B]``.
        """
        usable = scores.isfinite()
        scores, same = scores[usable].cpu(), same[usable].cpu() > 0.5
        if not len(scores):
            return IDENTITY
        shift = best_threshold(scores, same.float())
        offset = scores.double() - shift
        above, below = (max(float(side), _NARROWEST) for side in (offset.max(), -offset.min()))
        span = max(above, below)
        # Platt's targets: at 0 and 1, pairs that the net separates would have no likeliest scale.
        alike = int(same.sum())
        high, low = (alike + 1) / (alike + 2), 1 / (len(same) - alike + 2)
        target = low + (high - low) * same.double()
        most = span * min(_HIGHEST / above, _LOWEST / below)
        return cls(shift=shift, scale=_likeliest(offset / span, target, most) / span)


IDENTITY = Calibration(shift=0.0, scale=1.0)
"""The plain sigmoid."""


def _likeliest(offset: Tensor, target: Tensor, most: float) -> float:
    """Return the scale from 1 to ``most`` of the highest likelihood, which has one peak."""
    low, high = 1.0, most
    for _ in range(60):
        middle = (low + high) / 2
        slope = ((target - (middle * offset).sigmoid()) * offset).sum()
        low, high = (middle, high) if slope > 0 else (low, middle)
    return low


def best_threshold(scores: Tensor, same: Tensor) -> float:
    """Return the threshold with the highest accuracy on these pairs (chosen on validation)."""
    order = scores.argsort()
    ordered, alike = scores[order].double(), same[order] > 0.5
    edge = ordered.new_full((1,), float("inf"))
    bounds = torch.cat([-edge, ordered, edge])
    # With the cut below place i, what lies under it is called different, the rest the same.
    below = torch.cat([ordered.new_zeros(1), (~alike).cumsum(0)])
    above = torch.cat([alike.flip(0).cumsum(0).flip(0), ordered.new_zeros(1)])
    # Between equal scores there is nowhere to cut.
    right = (below + above).masked_fill(bounds[:-1] == bounds[1:], -1)
    low, high = bounds[right.argmax() :][:2].tolist()
    # A threshold is a number even where everything lies on one side of it.
    if low == -float("inf"):
        return float(high) - 1
    return float(low) + 1 if high == float("inf") else (low + high) / 2
