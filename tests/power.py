"""Losses of power: what a disk may hold after one, replayed from the recorded steps of a write.

SQLite's own method in small: a write reaches the disk for sure only when it is synced; before, any
part of it may, and of several changes of names in a folder any.
"""

import itertools
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

Content = dict[str, bytes]
"""What a folder holds, by name."""


@dataclass
class Disk:
    """The steps of what is done to one folder while `recording`.

    A step is a file's sync (its inode, its content), a change of names (from, to, inode, content)
    or the folder's sync (None).
    """

    folder: Path
    before: Content
    steps: list[tuple[int, bytes] | tuple[str, str | None, int, bytes] | None] = field(
        default_factory=list
    )

    def after_power_loss(self) -> Iterator[Content]:
        """Yield each content that the folder may have, whenever the power went."""
        for done in range(len(self.steps) + 1):
            steps = self.steps[:done]
            synced = {step[0]: step[1] for step in steps if step is not None and len(step) == 2}
            safe = max((i for i, step in enumerate(steps) if step is None), default=-1)
            changes = [(i, step) for i, step in enumerate(steps) if step and len(step) == 4]
            unsafe = [i for i, _ in changes if i > safe]
            for lost in itertools.product((False, True), repeat=len(unsafe)):
                dropped = {i for i, gone in zip(unsafe, lost, strict=True) if gone}
                for torn in (0.0, 0.5, 1.0):
                    yield self._content([c for i, c in changes if i not in dropped], synced, torn)

    def _content(
        self,
        changes: list[tuple[str, str | None, int, bytes]],
        synced: dict[int, bytes],
        torn: float,
    ) -> Content:
        content = dict(self.before)
        for source, target, inode, written in changes:
            content.pop(source, None)
            if target is not None:
                whole = synced.get(inode) == written
                content[target] = written if whole else written[: int(len(written) * torn)]
                if not whole and torn == 1.0:
                    content[target] = bytes(len(written))  # as long as it should be, never written
        return content


def recording(folder: Path, write: Callable[[], object]) -> Disk:
    """Return the steps by which ``write()`` changes the folder, whose content now is on disk."""
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    disk = Disk(folder, before)
    fsync, replace, unlink = os.fsync, os.replace, Path.unlink

    def record_fsync(descriptor: int) -> None:
        fsync(descriptor)
        status = os.fstat(descriptor)
        if not stat.S_ISDIR(status.st_mode):
            disk.steps.append((status.st_ino, os.pread(descriptor, status.st_size, 0)))
        elif status.st_ino == folder.stat().st_ino:
            disk.steps.append(None)

    def record_replace(source: Path, target: Path) -> None:
        disk.steps.append((source.name, target.name, source.stat().st_ino, source.read_bytes()))
        replace(source, target)

    def record_unlink(path: Path, missing_ok: bool = False) -> None:
        if path.exists():
            disk.steps.append((path.name, None, 0, b""))
        unlink(path, missing_ok)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", record_fsync)
        patch.setattr(os, "replace", record_replace)
        patch.setattr(Path, "unlink", record_unlink)
        write()
    return disk


def put(folder: Path, content: Content) -> None:
    """Let the folder hold this content alone."""
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    for name, data in content.items():
        (folder / name).write_bytes(data)
