import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_Number = TypeVar("_Number", int, float)


def positive(kind: Callable[[str], _Number]) -> Callable[[str], _Number]:
    """Return what reads an option of `argparse` as a positive number of this kind."""

    def read(text: str) -> _Number:
        if not 0 < (number := kind(text)) < math.inf:
            raise argparse.ArgumentTypeError(f"{text}: give a positive number")
        return number

    read.__name__ = getattr(kind, "__name__", "number")  # of the message where there is none
    return read


def named_path(text: str) -> Path:
    """Read an option of `argparse` as a path; blank, it would be the folder that one is in."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is empty; give a path")
    return Path(text)


def result_file(text: str) -> Path:
    """Read an option of `argparse` as a file to write; refused before anything is measured."""
    path = Path(text)
    if not text.strip() or path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: give a file, in a folder that is there")
    return path
