"""Walking a folder of images: one rule for what counts, what is left out, and in which order.

Used for data sets, for the support and for the queries alike. Paths keep their bytes; names are
compared and sorted in Unicode's normal form C, for macOS writes names in another form than Linux.
Links to files and folders are followed wherever they lead, as DVC and git-annex need; nothing
but regular files is ever opened.
"""

import errno
import os
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError
from data.images.formats import why_unread

# What file systems, archivers, network drives and notebooks leave among a user's files.
_SYSTEM = {
    "__macosx",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "__pycache__",
}

NAMED = 20  # paths that a message names; of the others it gives the number

HIDDEN = "hidden, or a system's own"
EMPTY = "empty folders"
LOOP = "links in a circle"
TWICE = "folders that are linked to again"
BROKEN = "links to nothing; fetch what they stand for, e.g. with dvc pull or git annex get"
SPECIAL = "pipes or devices"
_UNREACHED = {errno.ELOOP: LOOP, errno.ENOENT: BROKEN}
# Left out as a matter of course, so that nobody need be told.
_UNTOLD = {HIDDEN, EMPTY}


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes:
        folders: those that are not empty, sorted by name.
        images: files of a readable format, sorted by name (in `walk`, folder by folder).
        left_out: everything else, by why it is left out, with the cure where there is one.
    """

    folders: tuple[Path, ...]
    images: tuple[Path, ...]
    left_out: Mapping[str, tuple[Path, ...]]


def list_folder(folder: Path) -> Listing:
    """Return what lies directly in ``folder``.

    A link to a folder that holds it is a loop and left out.

    Raises:
        DataError: the folder cannot be read.
    """
    folders: list[Path] = []
    images: list[Path] = []
    left_out: dict[str, list[Path]] = defaultdict(list)
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: (name_of(entry), str(entry)))
    except OSError as error:
        raise DataError(f"{shown(folder)}: cannot be read: {error.strerror or error}") from error
    for entry in entries:
        if why := _why_left_out(entry):
            left_out[why].append(entry)
        else:
            (folders if entry.is_dir() else images).append(entry)
    return Listing(
        tuple(folders), tuple(images), {why: tuple(paths) for why, paths in left_out.items()}
    )


def walk(folder: Path) -> Listing:
    """Return all that lies in ``folder`` and its folders, each folder's own images first.

    A folder that links lead to again is read once.

    Raises:
        DataError: a folder cannot be read.
    """
    seen: set[str] = set()
    waiting = [folder]
    folders: list[Path] = []
    images: list[Path] = []
    left_out: list[Mapping[str, tuple[Path, ...]]] = []
    while waiting:
        folder = waiting.pop()
        if (real := os.path.realpath(folder)) in seen:
            left_out.append({TWICE: (folder,)})
            continue
        seen.add(real)
        listing = list_folder(folder)
        folders += listing.folders
        images += listing.images
        left_out.append(listing.left_out)
        waiting += reversed(listing.folders)
    return Listing(tuple(folders), tuple(images), merge(left_out))


def merge(parts: Iterable[Mapping[str, tuple[Path, ...]]]) -> dict[str, tuple[Path, ...]]:
    """Return what several listings left out, together."""
    together: dict[str, tuple[Path, ...]] = {}
    for part in parts:
        for why, paths in part.items():
            together[why] = together.get(why, ()) + paths
    return together


def describe(left_out: Mapping[str, tuple[Path, ...]], named: int = 3) -> list[str]:
    """Return a line for each reason, with how many and the first few names; hidden ones aside."""
    lines = []
    for why, paths in left_out.items():
        if why in _UNTOLD:
            continue
        names = ", ".join(shown(path.name) for path in paths[:named])
        rest = f" and {len(paths) - named} more" if len(paths) > named else ""
        lines.append(f"{len(paths)} left out, {why}: {names}{rest}")
    return lines


def listed(names: Iterable[str], between: str = ", ") -> str:
    """Return the first `NAMED` of the names, and how many more there are."""
    names = list(names)
    more = f"{between}and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return between.join(names[:NAMED]) + more


def name_of(path: Path) -> str:
    """Return the name to compare and store: normal form C, printable, valid Unicode."""
    return unicodedata.normalize("NFC", shown(path.name))


def stem_of(path: Path) -> str:
    """Return `name_of` without the suffix."""
    return unicodedata.normalize("NFC", shown(path.stem))


def shown(path: Path | str) -> str:
    r"""Return a path as it can be printed and put into JSON.

    Bytes that are no UTF-8, which Python keeps as lone surrogates, become ``\xNN``, and so do
    control characters; everything else stays as it is.
    """
    return "".join(_escaped(character) for character in str(path))


def _escaped(character: str) -> str:
    kind, code = unicodedata.category(character), ord(character)
    if kind not in ("Cc", "Cs"):
        return character
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _why_left_out(entry: Path) -> str | None:
    """Return why an entry is left out, ``None`` for a folder or an image."""
    if _hidden(entry):
        return HIDDEN
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        return _UNREACHED.get(error.errno or 0, str(error.strerror or error))
    if stat.S_ISDIR(mode):
        if entry.is_symlink() and _leads_up(entry):
            return LOOP
        return EMPTY if _empty(entry) else None
    return why_unread(entry) if stat.S_ISREG(mode) else SPECIAL


def _hidden(entry: Path) -> bool:
    return entry.name.startswith(".") or entry.name.lower() in _SYSTEM


def _leads_up(link: Path) -> bool:
    return Path(os.path.realpath(link.parent)).is_relative_to(os.path.realpath(link))


def _empty(folder: Path) -> bool:
    """Return whether there is nothing in a folder but hidden files and empty folders."""
    within = [folder]
    try:
        while within:
            entries = [entry for entry in within.pop().iterdir() if not _hidden(entry)]
            if not all(entry.is_dir() and not entry.is_symlink() for entry in entries):
                return False
            within += entries
    except OSError:
        return False  # whoever reads it names the error
    return True
