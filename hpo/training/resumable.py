"""Training that resumes from its last checkpoint, for the search and for final fits alike."""

import time
from collections.abc import Callable

from hpo.training.checkpoints import Checkpoints
from model.training.trainer import EpochResult, Trainer

CHECKPOINT_SECONDS = 15
"""A training whose process dies loses at most this and one epoch."""


class ResumableTraining:
    """A trainer that is saved every `CHECKPOINT_SECONDS`, between epochs.

    Resumed, it yields the same result as an uninterrupted run. The trainer has not begun; ``key``
    is everything that the training depends on. Without checkpoints nothing is saved.

    Example:
        >>> training = ResumableTraining(trainer, Checkpoints(folder), number=0, key="{}")
        >>> training.resume()
        False
        >>> training.run(lambda result: result.one_shot_accuracy > 0.9)
    """

    def __init__(self, trainer: Trainer, checkpoints: Checkpoints | None, *, number: int, key: str):
        self.trainer, self.checkpoints = trainer, checkpoints
        self.number, self.key = number, key

    def resume(self) -> bool:
        """Load the checkpoint into the trainer; return False if there is none."""
        state = self.checkpoints.load(self.number, self.key) if self.checkpoints else None
        if state is None:
            return False
        self.trainer.load_state_dict(state)
        return True

    def run(self, on_epoch: Callable[[EpochResult], bool]) -> EpochResult | None:
        """Train until the trainer is finished, or until ``on_epoch`` returns True.

        Returns:
            The result at which ``on_epoch`` stopped the training; None if it did not.
        """
        saved = time.monotonic()
        for result in self.trainer.epochs():
            if on_epoch(result):
                return result
            if self.checkpoints and time.monotonic() - saved >= CHECKPOINT_SECONDS:
                self.save()
                saved = time.monotonic()
        return None

    def save(self) -> None:
        """Save the trainer as it is, if there are checkpoints."""
        if self.checkpoints:
            self.checkpoints.save(self.number, self.key, self.trainer.state_dict())
