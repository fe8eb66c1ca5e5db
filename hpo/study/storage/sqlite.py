"""A study's SQLite file: looked at before it is opened, without a change to it or its ``-wal``."""

import secrets
import shutil
import sqlite3
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from data.files.regular import refuse_special
from hpo.study.errors import StudyError

BUSY_SECONDS = 60.0
"""For how long one statement waits for another process's."""
WRITE_LOCK = 120
"""The byte of ``-shm`` that a writer locks: https://www.sqlite.org/walformat.html#locks."""
_LOOKS, _PAUSE = 5, 0.1
_SHARED_START, _SHARED_LENGTH = 0x40000002, 510

_opened: set[tuple[int, int]] = set()
"""The files that this process has opened. To open and close one again by other means than SQLite
would let go of SQLite's locks on it, which belong to the process."""


class Connection(sqlite3.Connection):
    """One whose commits survive a loss of power, each: a checkpoint goes once its trial is told."""

    def __init__(self, *arguments: object, **options: object):
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.execute("PRAGMA synchronous = FULL")


def identity(file: Path) -> tuple[int, int]:
    """Return what tells the file from any that takes its place.

    Raises:
        FileNotFoundError: it is gone.
    """
    status = file.stat()
    return status.st_dev, status.st_ino


def connect(file: Path) -> sqlite3.Connection:
    """Return a connection, for a pool, to the file, which is not made.

    One made in place of a file that was moved away would cost its ``-wal``, since SQLite removes
    what lies beside an empty file.

    Raises:
        sqlite3.OperationalError: it is not there, or cannot be opened.
    """
    return sqlite3.connect(
        f"{file.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        # A transaction that starts as a writer never finds, half way, that it is late.
        isolation_level="IMMEDIATE",
        factory=Connection,
        check_same_thread=False,
    )


def check(file: Path) -> bool:
    """Refuse a damaged file, or one beside a ``-wal`` of another's, and change neither.

    Returns:
        Whether the file is there.

    Raises:
        StudyError: it is damaged, or its ``-wal`` is not its own; says what to do.
        sqlite3.OperationalError: it cannot be opened.
        OSError: it cannot be read.
    """
    file = file.resolve()
    if not file.exists() or (file.is_file() and file.stat().st_size == 0):
        if size(_wal(file)) > 0:
            raise StudyError(
                f"{file} is gone, but {_wal(file).name} beside it holds what was last written to "
                "it. Put the file back, or move that away to start anew"
            )
        return False
    for part in _parts(file):
        with suppress(FileNotFoundError):
            refuse_special(part)
    trouble = None
    if identity(file) in _opened:
        option = "mode=ro" if _wal(file).exists() else "immutable=1"  # which makes no -wal
        with closing(sqlite3.connect(f"file:{quote(str(file))}?{option}", uri=True)) as connection:
            trouble = _damage(connection)
    elif not _in_use(file):
        for _ in range(_LOOKS):
            with copied(file) as (copy, still):
                trouble = _trouble(copy)
            if trouble is None or still:
                break
            trouble = None
            time.sleep(_PAUSE)
    if trouble is not None:
        raise StudyError(trouble.format(file=file, wal=_wal(file).name))
    return True


def make(file: Path, *, new: bool) -> None:
    """Give the file a number of its own that tells it from all others, if it has none.

    Args:
        file: the file.
        new: whether to make it if it is not there.

    Raises:
        sqlite3.OperationalError: it cannot be opened.
    """
    if new:
        file.touch()
    with closing(connect(file)) as connection:
        _opened.add(identity(file))
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            connection.execute(f"PRAGMA user_version = {1 + secrets.randbelow(2**31 - 1)}")
        # Readers go on beside a writer; the mode stays with the file.
        connection.execute("PRAGMA journal_mode = WAL")


_DAMAGED = (
    "{{file}} is damaged or no database ({reason}). It is left as it is: put a copy in its place, "
    "or start anew with another --out"
)
_FOREIGN = (
    "{wal} was not written for this {file}, which was replaced or damaged since. Both are left as "
    "they are: if the file is a backup that you put there, move {wal} away and try again; else "
    "put back the file, or a backup of it without {wal}"
)


def _trouble(copy: Path) -> str | None:
    wal = _wal(copy)
    with_wal = size(wal) > 0
    if with_wal and not _written_for(copy, wal):
        return _FOREIGN
    alone = copy.with_name("alone.db")
    shutil.copyfile(copy, alone)
    found = []
    for each in (copy, alone) if with_wal else (copy,):
        with closing(sqlite3.connect(each)) as connection:
            try:
                found.append(_damage(connection))
            except sqlite3.OperationalError as error:
                found.append(_DAMAGED.format(reason=_quoted(str(error))))
    return _FOREIGN if with_wal and found[0] and not found[1] else found[0]


def _damage(connection: sqlite3.Connection) -> str | None:
    try:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        found = str(error)
    return None if found == "ok" else _DAMAGED.format(reason=_quoted(found))


def _quoted(text: str) -> str:
    return " ".join(text.split()).replace("{", "{{").replace("}", "}}")


def _written_for(file: Path, wal: Path) -> bool:
    """Return whether the pages in ``wal`` continue those of ``file``.

    The first page counts its own changes. The file's is the one that this ``-wal`` was begun upon,
    or one that has been copied from it since.
    """
    with file.open("rb") as stream:
        first = stream.read(65536)
    if len(first) < 100:
        return True  # which is damage enough
    versions, sizes, pending = [], [], []
    for page, size, content in _frames(wal):
        if page == 1:
            pending.append(content)
        if size:  # a commit
            versions += pending
            sizes.append(size)
            pending = []
    if not versions:
        return all(size == _number(first, 28) for size in sizes)
    if _number(first, 60) not in (0, _number(versions[0], 60)):
        return False
    begun_upon = _number(versions[0], 24) - 1
    return _number(first, 24) == begun_upon or first[: len(versions[0])] in versions


def _number(page: bytes, start: int) -> int:
    """Return a number from the first page: 24 counts changes, 28 pages, 60 is the user's."""
    return int.from_bytes(page[start : start + 4])


def _frames(wal: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield the number of each page of a ``-wal``, the file's size after a commit, its content.

    Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
    """
    with wal.open("rb") as stream:
        header = stream.read(32)
        if len(header) < 32:
            return
        length, salts = struct.unpack(">I", header[8:12])[0], header[16:24]
        while len(frame := stream.read(24 + min(length, 65536))) == 24 + length:
            if frame[8:16] != salts:
                return
            yield *struct.unpack(">II", frame[:8]), frame[24:]


def _in_use(file: Path) -> bool:
    """Return whether another process has the file open, and so has looked at it before.

    In WAL mode each holds a shared lock on it, at a place that its format fixes. What has taken the
    place of a file in use has none.
    """
    try:
        import fcntl

        with file.open("rb+") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_LENGTH, _SHARED_START)
    except BlockingIOError:
        return True
    except (ImportError, OSError):  # not on Windows; not to be written
        return False
    return False


@contextmanager
def copied(file: Path) -> Iterator[tuple[Path, bool]]:
    """Give a copy of the file with its journals, and whether nobody wrote to it meanwhile."""
    parts = _parts(file)
    with tempfile.TemporaryDirectory(prefix="study-") as folder:
        copy = Path(folder, "copy.db")
        before = [_state(part) for part in parts]
        for part in parts:
            with suppress(FileNotFoundError):
                shutil.copyfile(part, f"{copy}{part.name.removeprefix(file.name)}")
        yield copy, before == [_state(part) for part in parts]


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def size(file: Path) -> int:
    """Return how many bytes the file has, 0 if it is not there."""
    state = _state(file)
    return 0 if state is None else state[1]


def _parts(file: Path) -> list[Path]:
    return [file, *(Path(f"{file}{suffix}") for suffix in ("-wal", "-journal"))]


def _wal(file: Path) -> Path:
    return Path(f"{file}-wal")
