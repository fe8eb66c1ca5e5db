"""Sealed files: each begins with the SHA-256 of its content, which is checked before it is read.

On a CPU with instructions for SHA-256 that takes half a second a gigabyte.
"""

import contextlib
import hashlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from data.files.atomic import replacing
from data.files.regular import refuse_special

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

MAGIC = b"SEALED1\n"
HEADER = len(MAGIC) + hashlib.sha256().digest_size
"""Bytes in front of the content."""

_log = logging.getLogger("data")


class DamagedFileError(ValueError):
    """A file that does not hold what was written to it."""


class SealedWriter(io.RawIOBase):
    """A file that `torch.save`, `numpy.savez` and the like write to, from start to end.

    Attributes:
        error: the first error of the file system, which a library may hide behind one of its own.
    """

    def __init__(self, file: BinaryIO):
        self._file, self.digest = file, hashlib.sha256()
        self.error: OSError | None = None

    def write(self, content: "Buffer", /) -> int:
        """Write the next part of the content."""
        self.digest.update(content)
        try:
            return self._file.write(content)
        except OSError as error:
            self.error = self.error or error
            raise


@contextlib.contextmanager
def sealing(path: Path) -> Iterator[SealedWriter]:
    """Give a writer, whose content replaces ``path`` atomically at the end, with its seal.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    with replacing(path) as part, part.open("wb") as file:
        file.write(bytes(HEADER))
        writer = SealedWriter(file)
        try:
            yield writer
        except Exception as error:
            if writer.error is not None:
                raise writer.error from error
            raise
        file.seek(0)
        file.write(MAGIC + writer.digest.digest())


@contextlib.contextmanager
def unsealed(path: Path, earlier: bytes | None = None) -> Iterator[BinaryIO]:
    """Give the file, open where its content begins, once its seal is found whole.

    ``earlier`` is how the files of earlier versions begin, which have no seal; they are given as
    they are, from byte 0.

    Raises:
        DamagedFileError: its content is not what was sealed, or it has no seal.
        OSError: it is not there, or cannot be read.
    """
    refuse_special(path)
    with path.open("rb") as file:
        header = file.read(HEADER)
        if header.startswith(MAGIC):
            if hashlib.file_digest(file, "sha256").digest() != header[len(MAGIC) :]:
                raise DamagedFileError("its content does not match its SHA-256")
            file.seek(HEADER)
        elif earlier and header.startswith(earlier):
            file.seek(0)
        else:
            raise DamagedFileError("it has no SHA-256 in front")
        yield file


def set_aside(path: Path, error: Exception, consequence: str) -> None:
    """Rename a damaged file to ``<name>.damaged``, in place of an earlier one, and log a warning.

    The warning says what is wrong (``error``) and what happens now (``consequence``).
    """
    aside = path.with_name(f"{path.name}.damaged")
    try:
        path.replace(aside)
        where = f"kept as {aside.name}"
    except OSError as refused:
        where = f"left where it is ({refused.strerror})"
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    _log.warning("%s is damaged (%s) and %s; %s", path, reason, where, consequence)
