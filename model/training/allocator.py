"""What becomes of the memory that each step of a training on the CPU frees."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Their numbers in glibc's ``malloc.h``."""


@contextmanager
def reusing_freed_memory() -> Iterator[None]:
    """Let this process reuse the memory that it frees, until the block ends.

    By default glibc returns tensors of more than 32 MB, and free memory of more than 64, to the
    kernel, which clears every page anew for the next step. Within the block it keeps them. At its
    end all free memory is returned. Other C libraries are left as they are.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):  # musl has none
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, 2**30)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, 32 * 2**20)  # what its defaults rise to
        libc.mallopt(_TRIM_THRESHOLD, 64 * 2**20)
        libc.malloc_trim(0)
