"""Timing that survives a busy machine: variants take turns, ratios come from the same round."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from data.drawings import Drawings
from model.hyperparameters import Hyperparameters
from tests.benchmarks.inputs import compact, load_drawings, paper, toy


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure over the rounds, and what it should be.

    Attributes:
        benchmark: the benchmark that gave it.
        what: the figure.
        values: one per round.
        unit: of the values.
        target: the least, or with ``at_most`` the largest, median wanted.
        note: what a reader must know.
    """

    benchmark: str
    what: str
    values: Sequence[float]
    unit: str = ""
    target: float | None = None
    at_most: bool = False
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.median <= self.target if self.at_most else self.median >= self.target

    def line(self) -> str:
        low, high = min(self.values), max(self.values)
        spread = f"{self.median:,.4g} {self.unit} ({low:,.4g} to {high:,.4g})"
        wanted = ""
        if self.target is not None:
            sign = "<=" if self.at_most else ">="
            wanted = f"{sign} {self.target:g}: {'met' if self.met else 'MISSED'}"
        return f"{self.benchmark:11} {self.what:58} {spread:40} {wanted:18} {self.note}".rstrip()


@dataclass
class Context:
    """Where and how large the benchmarks run.

    Attributes:
        device: what to run on.
        size: ``toy`` for a test of the harness, ``quick`` for minutes, ``full``.
        nets: which of the nets, by name; all if empty.
        arms: which of the samplers' arms, as ``tpe+halving``; if empty, the study's own and
            those that differ from it by the sampler or by the pruner.
    """

    device: torch.device
    size: str = "full"
    nets: Sequence[str] = ()
    arms: Sequence[str] = ()

    @property
    def rounds(self) -> int:
        return {"toy": 1, "quick": 3, "full": 7}[self.size]

    @property
    def steps(self) -> int:
        """Steps timed together: on a GPU many, so that the waiting at their end does not count."""
        return 50 if self.device.type == "cuda" else 1

    @property
    def configurations(self) -> dict[str, Hyperparameters]:
        """The paper's net and the compact study's first, or a toy in place of both."""
        if self.size == "toy":
            return {"toy": toy()}
        both = {"compact": compact(), "paper": paper()}
        return {name: both[name] for name in self.nets or both}

    def pairs(self, name: str) -> int:
        """Pairs in a step: the paper's 128, but fewer where a CPU would take many seconds."""
        if self.device.type == "cuda" or name == "compact":
            return 128
        return 8 if name == "toy" else 16

    @cached_property
    def _loaded(self) -> tuple[Drawings, str]:
        return load_drawings(self.size == "toy")

    @property
    def source(self) -> str:
        return self._loaded[1]

    def drawings_at_full_size(self) -> Drawings:
        return self._loaded[0]

    def drawings(self, hyperparameters: Hyperparameters) -> Drawings:
        """Return drawings of the size that the net takes, on the device."""
        size = hyperparameters.architecture.image_size
        return self._loaded[0].reduced(size).to(self.device)

    def sync(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], object]) -> float:
        """Return how long one call takes, the device's part included."""
        self.sync()
        start = time.perf_counter()
        work()
        self.sync()
        return time.perf_counter() - start

    def interleaved(
        self, variants: dict[str, Callable[[], object]], repeats: int = 1
    ) -> dict[str, list[float]]:
        """Return the seconds of a call of each variant, round by round, A B A B.

        One round before the first is not counted. A round takes the fastest of ``repeats``.
        """
        for work in variants.values():
            self.seconds(work)
        taken: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(self.rounds):
            best = dict.fromkeys(variants, float("inf"))
            for _ in range(repeats):
                for name, work in variants.items():
                    best[name] = min(best[name], self.seconds(work))
            for name, value in best.items():
                taken[name].append(value)
        return taken


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Return round by round ``above / below``."""
    return [a / b for a, b in zip(above, below, strict=True)]
