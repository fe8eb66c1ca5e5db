"""Print how often intervals hold the true accuracy: ``python -m tests.benchmarks.intervals``.

Answers are drawn from a model with normal effects, on the scale of log odds, of the alphabet, the
character, the trial, the seed, and the seed on the alphabet. Its spreads are those of the
committed fits: a standard deviation of 4 to 5 points between alphabets at an accuracy of 90 %, of
0.3 to 1 between seeds. The truth is the mean over all that could have been drawn.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from model.evaluation.intervals import alphabet_interval, interval
from tests.benchmarks import positive


@dataclass(frozen=True, kw_only=True)
class Design:
    """Which trials are asked: of each of ``characters`` in each of ``alphabets``, ``trials``."""

    name: str
    alphabets: int
    characters: int
    trials: int


DESIGNS = (
    Design(name="official runs, 10 alphabets", alphabets=10, characters=20, trials=2),
    Design(name="all drawers, 10 alphabets", alphabets=10, characters=30, trials=13),
    Design(name="all drawers, 4 alphabets", alphabets=4, characters=30, trials=13),
)
ACCURACIES, SEEDS = (0.9, 0.98), (3, 5)
SPREADS: Mapping[str, Mapping[str, float]] = {
    "as measured": {"alphabet": 0.65, "character": 1.0, "trial": 1.5, "seed": 0.08, "both": 0.12},
    "seeds differ": {"alphabet": 0.65, "character": 1.0, "trial": 1.5, "seed": 0.2, "both": 0.2},
    "seeds agree": {"alphabet": 0.9, "character": 1.5, "trial": 3.0, "seed": 0.08, "both": 0.12},
}
"""Standard deviations of the effects, in log odds."""


def level(accuracy: float, spread: Mapping[str, float]) -> float:
    """Return the log odds at which the mean over all effects is ``accuracy``."""
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    scale = math.sqrt(sum(value**2 for value in spread.values()))

    def off(at: float) -> float:
        return float((weights * expit(at + scale * points)).sum() / weights.sum()) - accuracy

    return float(brentq(off, -10, 30))


def answers(
    design: Design, odds: float, seeds: int, spread: Mapping[str, float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the answers ``[S, T]``, each trial's alphabet ``[T]`` and character ``[T]``."""
    shape = (seeds, design.alphabets, design.characters, design.trials)
    drawn = odds + sum(
        rng.normal(0, spread[name], [n if axis in axes else 1 for axis, n in enumerate(shape)])
        for name, axes in (
            ("alphabet", (1,)),
            ("character", (1, 2)),
            ("trial", (1, 2, 3)),
            ("seed", (0,)),
            ("both", (0, 1)),
        )
    )
    right = rng.random(shape) < expit(drawn)
    alphabet, character, _ = np.indices(shape[1:])
    character = character + design.characters * alphabet
    return right.reshape(seeds, -1).astype(float), alphabet.ravel(), character.ravel()


Interval = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[float, float]]


def over_trials(credit: np.ndarray, *_: np.ndarray) -> tuple[float, float]:
    """Return the interval for these alphabets."""
    return interval(credit.mean(1).tolist(), credit.shape[1])[1:]


def bootstrapped(
    credit: np.ndarray, alphabet: np.ndarray, character: np.ndarray, resamples: int = 300
) -> tuple[float, float]:
    """Return the percentiles of means over resampled seeds, alphabets and characters within."""
    rng = np.random.default_rng(0)
    shape = (len(credit), len(set(alphabet)), len(set(character)) // len(set(alphabet)), -1)
    means = credit.reshape(shape).mean(3)
    seeds, alphabets, characters = means.shape
    found = []
    for _ in range(resamples):
        of_seeds = means[rng.integers(0, seeds, seeds)].mean(0)
        rows = of_seeds[rng.integers(0, alphabets, alphabets)]
        columns = rng.integers(0, characters, rows.shape)
        found.append(np.take_along_axis(rows, columns, 1).mean())
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


METHODS: Mapping[str, Interval] = {
    "alphabets in general": alphabet_interval,
    "these alphabets": over_trials,
    "bootstrap": bootstrapped,
}


def coverage(
    method: Interval,
    design: Design,
    accuracy: float,
    seeds: int,
    spread: Mapping[str, float],
    replications: int,
) -> tuple[float, float]:
    """Return how often the interval holds the truth, and its mean width."""
    rng, odds = np.random.default_rng(2015), level(accuracy, spread)
    held, widths = 0, 0.0
    for _ in range(replications):
        low, high = method(*answers(design, odds, seeds, spread, rng))
        held += low <= accuracy <= high
        widths += high - low
    return held / replications, widths / replications


def main(arguments: list[str] | None = None) -> int:
    """Print the table, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.intervals")
    parser.add_argument("--replications", type=positive(int), default=2000, help="of each cell")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    print("coverage of nominal 95 % intervals, %, and their mean width in points")
    print(f"{'trials':30} {'accuracy':>8} {'seeds':>5} {'spreads':>13}  {'  '.join(METHODS)}")
    for spread in SPREADS:
        for design in DESIGNS:
            for accuracy in ACCURACIES:
                for seeds in SEEDS:
                    line = f"{design.name:30} {100 * accuracy:8.0f} {seeds:5} {spread:>13}  "
                    for name, method in METHODS.items():
                        # A tenth is enough to show where the bootstrap fails.
                        number = options.replications // (10 if name == "bootstrap" else 1)
                        case = (design, accuracy, seeds, SPREADS[spread], max(1, number))
                        held, width = coverage(method, *case)
                        line += f"{100 * held:5.1f} ({100 * width:4.1f})".ljust(len(name) + 2)
                    print(line, flush=True)
    print(f"{options.replications} replications of each, {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
