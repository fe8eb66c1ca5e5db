"""Trials in TensorBoard: a hook that writes what their epochs gave."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hpo.search.hooks import TrialEpoch
from hpo.study.errors import StudyError
from model.training.trainer import EpochResult


class TensorBoard:
    """A hook ``on_epoch`` that writes a trial's epochs as they come, for TensorBoard.

    Each configuration has a run of its own, ``<folder>/<study>/trial-0003``: loss, accuracies and
    learning rates, and at its end its hyperparameters with its value. A retry goes on with the run.
    Every process writes files of its own.

    Example:
        >>> hpo.Study("smoke").run(on_epoch=TensorBoard("runs"))

    Raises:
        StudyError: the package tensorboard is not installed, or the folder cannot be made.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder).absolute()
        if find_spec("tensorboard") is None:
            raise StudyError(
                "TensorBoard's files need the package tensorboard; install the extra for it, "
                'pip install -e ".[tensorboard]"'
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(
                f"the folder {self.folder} for TensorBoard cannot be made: "
                f"{error.strerror or error}; give another"
            ) from None
        self._run: Path | None = None
        self._writer: Any = None

    def __call__(self, epoch: TrialEpoch) -> None:
        """Write an epoch; in the first one of this process also those before it."""
        from torch.utils.tensorboard import SummaryWriter

        run = self.folder / epoch.study / f"trial-{epoch.trial:04}"
        results = epoch.history[-1:]
        if run != self._run:
            self._close()
            # What a process that died has written of later epochs is no longer shown.
            self._writer, self._run = SummaryWriter(str(run), purge_step=1), run
            results = epoch.history
        for result in results:
            self._write(result)
        for layer, rate in epoch.learning_rates.items():
            self._writer.add_scalar(f"learning rate/{layer}", rate, epoch.result.epoch)
        if epoch.state != "running":
            # Without a name of its own it would be shown as another run.
            self._writer.add_hparams(
                {**epoch.params, "state": epoch.state}, {"value": epoch.best}, run_name="."
            )
            self._close()
        else:
            self._writer.flush()

    def _write(self, result: EpochResult) -> None:
        for name, value in (
            ("loss", result.loss),
            ("accuracy/one-shot", result.one_shot_accuracy),
            ("accuracy/verification", result.verification_accuracy),
            ("pairs per second", result.pairs_per_second),
        ):
            self._writer.add_scalar(name, value, result.epoch)

    def _close(self) -> None:
        writer, self._writer, self._run = self._writer, None, None
        if writer is not None:
            writer.close()
