"""What the searches found for how much arithmetic: bands over seeds, a table, a plot."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from hpo.results.history import at
from hpo.results.plots.style import BLACK, SERIES, Look, axes, percent_axis, styled

_GRID = 240

Points = Sequence[Sequence[float]]
"""``(TFLOP, best accuracy seen, accuracy of its configuration at the end of a training)``."""
SEEN, AT_THE_END = 1, 2
"""Columns of `Points`."""


@dataclass(frozen=True)
class Reach:
    """What a searcher needs for the accuracy that another has at the end.

    Attributes:
        teraflops: median over the seeds; infinite where fewer than half of them get there.
        ratio: of the other's median to this one's: 2 is half of the arithmetic.
        reached: how many of the seeds get there.
        at_the_end: median over the seeds of the best accuracy seen, in [0, 1].
    """

    teraflops: float
    ratio: float
    reached: int
    at_the_end: float


def bands(runs: Sequence[Points], column: int, teraflops: float) -> np.ndarray:
    """Return rows of TFLOP, lower quartile, median, upper quartile ``[4, points]``.

    Where a run has nothing to show yet its value is 0, as an untrained net's is chance or less.
    """
    grid = np.linspace(0, teraflops, _GRID + 1)[1:]
    values = [
        [np.nan_to_num(at([p[0] for p in run], [p[column] for p in run], x)) for x in grid]
        for run in runs
    ]
    return np.vstack([grid, np.quantile(values, [0.25, 0.5, 0.75], axis=0)])


def reaching(
    runs: Mapping[str, Sequence[Points]], reference: str
) -> tuple[float, dict[str, Reach]]:
    """Return the median accuracy seen by ``reference`` at the end, and what each needs for it."""
    ends = {name: [run[-1][SEEN] if run else 0.0 for run in own] for name, own in runs.items()}
    # Of an even number of seeds the lower one, which is an accuracy that half of them have seen.
    aim = float(np.quantile(ends[reference], 0.5, method="lower"))
    needed = {
        name: [next((p[0] for p in run if p[SEEN] >= aim), math.inf) for run in own]
        for name, own in runs.items()
    }
    medians = {name: float(np.quantile(each, 0.5, method="lower")) for name, each in needed.items()}
    return aim, {
        name: Reach(
            medians[name],
            medians[reference] / medians[name],
            sum(map(math.isfinite, needed[name])),
            float(np.median(ends[name])),
        )
        for name in runs
    }


@styled()
def plot(
    groups: Mapping[str, Mapping[str, Sequence[Points]]],
    reference: Mapping[str, Sequence[Points]],
    teraflops: float,
) -> Figure:
    """Plot accuracy against TFLOP, the medians over seeds and the quartiles as bands.

    Each of the ``groups`` has a column, with the ``reference`` in all of them. Above is the best
    accuracy seen, below what its configuration reaches at the end of a whole training.
    """
    figure, rows = axes(2, len(groups), height=6.4, sharex=True, sharey=True)
    lowest, highest = 1.0, 0.0
    for row, column in zip(rows, (SEEN, AT_THE_END), strict=True):
        for ax, (title, runs) in zip(row, groups.items(), strict=True):
            looks = {**dict.fromkeys(reference, Look(BLACK, "X")), **dict(zip(runs, SERIES))}
            for name, look in looks.items():
                x, low, middle, high = bands({**reference, **runs}[name], column, teraflops)
                options = {"color": look.colour, "linestyle": look.line}
                ax.plot(x, middle, label=name, linewidth=1.4, **options)
                ax.fill_between(x, low, high, color=look.colour, alpha=0.12, linewidth=0)
                ax.plot(x[-1:], middle[-1:], look.marker, color=look.colour)
                lowest = min(lowest, middle[len(x) // 20])
                highest = max(highest, high[-1])
            if column == SEEN:
                ax.set_title(title)
                ax.legend(loc="lower right", fontsize=8)
            else:
                ax.set_xlabel("training, TFLOP")
    margin = 0.05 * (highest - lowest) + 0.002
    rows[0][0].set(xlim=(0, None), ylim=(lowest - margin, highest + margin))
    rows[0][0].set_ylabel("best accuracy seen")
    rows[1][0].set_ylabel("its configuration, wholly trained")
    percent_axis(rows[0][0].yaxis)
    return figure
