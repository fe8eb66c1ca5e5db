"""Checkpoints: what a training in progress saves so that it can resume after a crash."""

import logging
import shutil
import zipfile
from collections.abc import Container
from pathlib import Path
from typing import Any

import torch

from data.files.sealed import DamagedFileError, sealing, set_aside, unsealed

_ZIP = b"PK\x03\x04"
"""How the unsealed checkpoints of version 0.1.0 begin."""

_log = logging.getLogger(__name__)


class Checkpoints:
    """A folder with one file per unfinished training: tensors and plain values only.

    A file is sealed, and tied to its ``key``, everything that the training depends on: with another
    key it is not read.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._warned: str | None = None

    def save(self, number: int, key: str, state: dict[str, Any]) -> bool:
        """Save ``state``, whole or not at all; return whether it could be saved.

        A training does not need its checkpoint, unless its process dies. So one that cannot be
        written is a warning, with the cause, and the one before it stays.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with sealing(self._path(number)) as file:
                torch.save({"key": key, "state": state}, file)  # type: ignore[arg-type]
        except OSError as error:
            cause = error.strerror or str(error)
            if cause != self._warned:  # not every few seconds
                _log.warning(
                    "no checkpoint can be written to %s (%s%s); the training goes on, and would "
                    "resume from an earlier one",
                    *(self.folder, cause, _free(self.folder)),
                )
            self._warned = cause
            return False
        self._warned = None
        return True

    def load(self, number: int, key: str) -> dict[str, Any] | None:
        """Return what was saved with this key, None if there is nothing to resume from.

        A damaged file is set aside, with a warning.
        """
        path = self._path(number)
        try:
            with unsealed(path, earlier=_ZIP) as file:
                if file.tell() == 0:
                    if (entry := zipfile.ZipFile(file).testzip()) is not None:
                        raise DamagedFileError(f"{entry} does not match its CRC-32")
                    file.seek(0)
                saved = torch.load(file, map_location="cpu", weights_only=True)
            state: dict[str, Any] = saved["state"]
            return state if saved["key"] == key else None
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("%s cannot be read (%s); its training starts anew", path, error.strerror)
        except Exception as error:
            # What torch raises of an unsealed file may be anything.
            set_aside(path, error, "its training starts anew")
        return None

    def remove(self, number: int) -> None:
        """Remove the file of a finished training, partly written and damaged ones too."""
        for path in self.folder.glob(f"{self._path(number).stem}.*"):
            _unlink(path)

    def sweep(self, keep: Container[int]) -> None:
        """Remove all checkpoints but those of these numbers."""
        for path in self.folder.glob("trial-*"):
            number = path.name.removeprefix("trial-").partition(".")[0]
            if not (number.isdecimal() and int(number) in keep):
                _unlink(path)

    def _path(self, number: int) -> Path:
        return self.folder / f"trial-{number:05}.pt"


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("%s cannot be removed (%s)", path, error.strerror)


def _free(folder: Path) -> str:
    """Return how much room there is, nothing where there is no folder to ask."""
    try:
        return f", {shutil.disk_usage(folder).free / 2**20:,.1f} MiB free"
    except OSError:
        return ""
