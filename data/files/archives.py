"""Reading zip archives from untrusted sources, in memory: nothing is extracted to disk."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from data.errors import DataError
from data.files.regular import refuse_special

MAX_ENTRIES = 200_000
MAX_ENTRY_BYTES = 64_000_000
MAX_TOTAL_BYTES = 2_000_000_000
_ENTRY_BYTES = 300
"""Of an entry in the archive's list of them: 46, its name and a few extras."""
_SIZE = 5
"""Where ``zipfile`` keeps the size of that list."""

# What zipfile and its decompressors raise on archives that are cut off, damaged or hostile.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
)


def read_zip(
    path: Path,
    wanted: Callable[[str], bool] = lambda name: True,
    *,
    max_entries: int = MAX_ENTRIES,
    max_entry_bytes: int = MAX_ENTRY_BYTES,
    max_total_bytes: int = MAX_TOTAL_BYTES,
) -> Iterator[tuple[str, bytes]]:
    """Yield ``(name, content)`` of the archive's files that are ``wanted``, in stored order.

    Names are labels and never become paths, so any are allowed. The limits are checked over the
    whole archive, wanted files or not, before the first is read.

    Raises:
        DataError: the archive is damaged, cut off, encrypted or larger than the limits. The
            message names archive and entry.
    """
    try:
        refuse_special(path)
        _check_directory(path, max_entries)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > max_entries:
                raise DataError(
                    f"{path}: {len(entries):,} entries; at most {max_entries:,} are read"
                )
            total = sum(entry.file_size for entry in entries)
            if total > max_total_bytes:
                raise DataError(
                    f"{path}: {total:,} bytes unpacked; at most {max_total_bytes:,} are read"
                )
            for entry in entries:
                if entry.file_size > max_entry_bytes:
                    raise DataError(
                        f"{path}: {entry.filename!r} has {entry.file_size:,} bytes; "
                        f"at most {max_entry_bytes:,} are read"
                    )
            for entry in entries:
                if not entry.is_dir() and wanted(entry.filename):
                    yield entry.filename, _content(path, archive, entry)
    except DataError:
        raise
    except PermissionError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except _DAMAGE as error:
        raise DataError(
            f"{path}: not a whole zip archive ({error or type(error).__name__}); get it again"
        ) from error


def _content(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(entry) as file:
            # One byte more than declared shows an entry that says less than it holds.
            content = file.read(entry.file_size + 1)
    except _DAMAGE as error:
        raise DataError(
            f"{path}: {entry.filename} is damaged ({error or type(error).__name__}); "
            "get the archive again"
        ) from error
    if len(content) != entry.file_size:
        raise DataError(
            f"{path}: {entry.filename} holds {len(content)} bytes, "
            f"not {entry.file_size} as declared; do not use this archive"
        )
    return content


def _check_directory(path: Path, max_entries: int) -> None:
    """Refuse a list of entries too long to be read at all: it takes 20 times its size of memory."""
    with path.open("rb") as file:
        end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # as zipfile itself finds it
    size = end[_SIZE] if end else 0
    if size > max_entries * _ENTRY_BYTES:
        raise DataError(
            f"{path}: {size:,} bytes of entries' names; at most {max_entries:,} entries are read"
        )
