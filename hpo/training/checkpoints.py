"""Checkpoints: what a training in progress saves so that it can resume after a crash."""

import logging
import os
import pickle
from collections.abc import Container
from pathlib import Path
from typing import Any

import torch

_log = logging.getLogger(__name__)


class Checkpoints:
    """A folder with one file per unfinished training: tensors and plain values only.

    A file is tied to its ``key``, everything that the training depends on: with another key it is
    not read.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def save(self, number: int, key: str, state: dict[str, Any]) -> None:
        """Save ``state``, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(number)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            torch.save({"key": key, "state": state}, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def load(self, number: int, key: str) -> dict[str, Any] | None:
        """Return what was saved with this key, None if there is nothing to resume from."""
        path = self._path(number)
        if not path.exists():
            return None
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            if saved["key"] != key:
                return None
            state: dict[str, Any] = saved["state"]
            return state
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError):
            _log.warning("%s is damaged; its training restarts from the first epoch", path)
            return None

    def remove(self, number: int) -> None:
        """Remove the file of a finished training, partly written ones too."""
        for path in self.folder.glob(f"{self._path(number).stem}.*"):
            path.unlink(missing_ok=True)

    def sweep(self, keep: Container[int]) -> None:
        """Remove all checkpoints but those of these numbers."""
        for path in self.folder.glob("trial-*"):
            number = path.name.removeprefix("trial-").partition(".")[0]
            if not (number.isdecimal() and int(number) in keep):
                path.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"trial-{number:05}.pt"
