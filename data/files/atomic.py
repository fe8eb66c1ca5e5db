"""Atomic writes: a file appears whole or not at all, even after a crash or a loss of power."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder; what is written there replaces ``path`` at the end.

    If the block raises, ``path`` is untouched and the temporary file removed.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    # Not tempfile.mkstemp, whose files only their owner can read. Digits alone tell the names of
    # two writers apart, so that their errors can be recognised as the same.
    part = path.with_name(f"{path.name}.{secrets.randbelow(10**12)}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    with replacing(path) as part:
        part.write_bytes(content)


def remove(path: Path) -> None:
    """Remove a file, if it is there, for good: what is written after this is never seen beside it.

    Raises:
        OSError: the folder cannot be written.
    """
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable, on systems that can open a folder (Windows cannot)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
