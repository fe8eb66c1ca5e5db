"""Freed memory is reused: a step causes no page faults, in a process of its own."""

import platform
import subprocess
import sys

import pytest

from model.training.allocator import reusing_freed_memory

TRIM, MMAP = -1, -3

_PROGRAM = """
import resource
import torch
from model.training.allocator import reusing_freed_memory

def step():
    for _ in range(4):
        torch.ones(48 * 2**20 // 4)  # 48 MB, more than glibc keeps by itself
    many = [torch.ones(2**20) for _ in range(30)]  # 120 MB of smaller ones

def used():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20

def faults():
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults(), used()
with reusing_freed_memory():
    within = faults(), used()
print(*before, *within, used())
"""


class OldLibc:
    """A glibc that refuses a threshold of more than half a heap, which is 64 MiB."""

    def __init__(self) -> None:
        self.thresholds: dict[int, int] = {}

    def mallopt(self, name: int, value: int) -> int:
        if name == MMAP and value > 32 * 2**20:
            return 0
        self.thresholds[name] = value
        return 1

    def malloc_trim(self, pad: int) -> int:
        return 1


def test_where_so_high_a_threshold_is_refused_it_is_the_highest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    libc = OldLibc()
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda _: libc)
    with reusing_freed_memory():
        assert libc.thresholds == {MMAP: 32 * 2**20, TRIM: 2**31 - 1}
    assert libc.thresholds == {MMAP: 32 * 2**20, TRIM: 64 * 2**20}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_within_the_block_a_step_s_memory_is_the_last_step_s() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, check=True)
    faults_before, used_before, faults_within, used_within, used_after = map(
        float, done.stdout.split()
    )
    assert faults_within < faults_before / 10
    assert used_within > used_before + 100
    assert used_after < used_before + 30  # and returned at its end
