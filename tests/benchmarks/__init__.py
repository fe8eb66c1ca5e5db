import argparse
import math
from collections.abc import Callable
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
