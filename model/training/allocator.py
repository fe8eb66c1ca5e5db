"""What becomes of the memory that each step of a training on the CPU frees."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Their numbers in glibc's ``malloc.h``."""
_DEFAULTS = {_MMAP_THRESHOLD: 32 * 2**20, _TRIM_THRESHOLD: 64 * 2**20}
"""Bytes: the most that glibc raises them to by itself, as it does where tensors are large."""


@contextmanager
def reusing_freed_memory() -> Iterator[None]:
    """Let this process reuse the memory that it frees, until the block ends.

    By default glibc returns tensors of more than 32 MB, and free memory of more than 64, to the
    kernel, which clears every page anew for the next step. Within the block it keeps them, which
    may raise the peak: `compact`'s from 1.1 to 1.4 GB. At its end all free memory is returned.
    Other C libraries are left as they are.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):  # musl has none
        yield
        return
    if not libc.mallopt(_MMAP_THRESHOLD, 2**30):
        # Older versions refuse it, and whatever it is now would no longer rise.
        libc.mallopt(_MMAP_THRESHOLD, _DEFAULTS[_MMAP_THRESHOLD])
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        for name, value in _DEFAULTS.items():
            libc.mallopt(name, value)
        libc.malloc_trim(0)
