"""Paths as text that databases and settings can keep, whatever bytes they hold."""

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

_SCHEME = "file://"


def as_text(path: Path | str) -> str:
    """Return a path as valid Unicode: its ``file://`` URI where its bytes are no UTF-8."""
    try:
        return str(path).encode().decode()
    except UnicodeEncodeError:
        return Path(os.path.abspath(path)).as_uri()


def from_text(text: str) -> Path:
    """Return the path that ``as_text`` was given."""
    if text.startswith(_SCHEME):
        return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(_SCHEME))))
    return Path(text)
