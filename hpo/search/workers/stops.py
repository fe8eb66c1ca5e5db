"""Notes of processes that ended in good order while their study's database could not be written.

Such an end is no fault of the trial that was running. Whoever finds that trial dead, once the
database is back, finds the note in the study's folder.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from hpo.study.storage.location import StudyLocation

_PREFIX = "stopped-"


class StopNotes:
    """Leaves notes in a study's folder, which goes with it if it is moved away meanwhile."""

    def __init__(self, location: StudyLocation):
        self._folder: int | None = None
        with suppress(OSError):
            if location.storage is not None:  # otherwise the database lies there
                location.folder.mkdir(parents=True, exist_ok=True)
            if os.open in os.supports_dir_fd and os.unlink in os.supports_dir_fd:
                self._folder = os.open(location.folder, os.O_RDONLY)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            os.close(self._folder)

    def leave(self, process: Mapping[str, Any]) -> None:
        """Note that the process, as `heartbeat.this_process` gives it, ended in good order."""
        with suppress(OSError):
            if self._folder is not None:
                # Empty: a disk that is full mostly has room for a name.
                os.close(os.open(note_of(process), os.O_CREAT | os.O_WRONLY, dir_fd=self._folder))

    def take_back(self, process: Mapping[str, Any]) -> None:
        """Remove the note: the database has it."""
        with suppress(OSError):
            if self._folder is not None:
                os.unlink(note_of(process), dir_fd=self._folder)


def note_of(process: Mapping[str, Any] | None) -> str:
    """Return the name of a process's note."""
    return f"{_PREFIX}{process['pid']}-{process['started']}" if process else ""


def notes(folder: Path) -> dict[str, Path]:
    """Return the notes in a study's folder, by name."""
    return {path.name: path for path in folder.glob(f"{_PREFIX}*")}
