"""The result of one epoch, apart from the trainer so that a study can name it without torch."""

from dataclasses import dataclass


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
