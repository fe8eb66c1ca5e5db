"""The best accuracy so far, against trials and against compute, and studies beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpo.results.trials import TrialRecord, in_order_of_ending


@dataclass(frozen=True)
class Curve:
    """One study's way, a point for each finished trial in the order in which they ended.

    Attributes:
        trials: finished trials up to here: 1, 2, ...
        seconds: in all trials up to here, failed ones included.
        flops: likewise, of training; empty where some trial's are not known.
        best: highest accuracy of a complete trial so far; NaN before the first one.
    """

    trials: tuple[float, ...]
    seconds: tuple[float, ...]
    flops: tuple[float, ...]
    best: tuple[float, ...]


def curve(rows: list[TrialRecord]) -> Curve | None:
    """Return the study's curve, None if no trial is complete."""
    if not any(row.counts for row in rows):
        return None
    seconds = flops = 0.0
    known, highest = True, float("nan")
    points: list[tuple[float, float, float, float]] = []
    for row in in_order_of_ending(rows):
        seconds += row.seconds
        flops += row.flops or 0.0
        if row.state == "FAIL":
            continue
        known &= row.flops is not None
        if row.counts:
            highest = float(np.fmax(highest, row.accuracy or 0.0))
        points.append((float(len(points) + 1), seconds, flops, highest))
    trials, times, operations, best = zip(*points, strict=True)
    return Curve(trials, times, operations if known else (), best)


def at(x: Sequence[float], y: Sequence[float], where: float) -> float:
    """Return the step curve's value at ``where``: that of the last point not beyond it."""
    location = int(np.searchsorted(x, where, side="right")) - 1
    return y[location] if location >= 0 else float("nan")


def band(
    members: Sequence[tuple[Sequence[float], Sequence[float]]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return ``(x, mean, lowest, highest)`` of step curves, as far as the shortest of them.

    The curves' points are all kept; a member that has no value yet makes the mean have none.
    """
    end = min(x[-1] for x, _ in members)
    grid = np.array(sorted({value for x, _ in members for value in x if value <= end}))
    values = np.array([[at(x, y, where) for where in grid] for x, y in members])
    return grid, values.mean(0), values.min(0), values.max(0)
