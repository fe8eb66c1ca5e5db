"""What a running trial saves, so that it can go on after its process died."""

import logging
import pickle
from collections.abc import Container
from pathlib import Path
from typing import Any

import torch

from data.files.atomic import replacing

_log = logging.getLogger(__name__)


class Checkpoints:
    """One file for each configuration that is not finished: tensors and plain values only.

    A file is tied to ``key``, all that the training depends on; under another key it is not read.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def save(self, root: int, key: str, state: dict[str, Any]) -> None:
        """Save ``state``, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self._path(root)) as part:
            torch.save({"key": key, "state": state}, part)

    def load(self, root: int, key: str) -> dict[str, Any] | None:
        """Return what was saved under this key, None if there is nothing to go on from."""
        path = self._path(root)
        if not path.exists():
            return None
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            if saved["key"] != key:
                return None
            state: dict[str, Any] = saved["state"]
            return state
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError):
            _log.warning("%s is damaged; its trial starts from its first epoch", path)
            return None

    def remove(self, root: int) -> None:
        """Remove what was saved for a configuration that is finished, half-written files too."""
        for path in self.folder.glob(f"{self._path(root).stem}.*"):
            path.unlink(missing_ok=True)

    def sweep(self, keep: Container[int]) -> None:
        """Remove all but the checkpoints of these configurations."""
        for path in self.folder.glob("trial-*"):
            number = path.name.removeprefix("trial-").partition(".")[0]
            if not (number.isdecimal() and int(number) in keep):
                path.unlink(missing_ok=True)

    def _path(self, root: int) -> Path:
        return self.folder / f"trial-{root:05}.pt"


CHECKPOINT_SECONDS = 15
"""A trial that dies loses at most this and an epoch."""
