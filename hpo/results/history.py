"""The best accuracy so far of a study, against trials, time and training FLOP."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import TrialState

from hpo.results.costs import CostedTrial, in_order_of_ending
from hpo.study.record import candidates
from hpo.study.trials import ranked


@dataclass(frozen=True)
class Curve:
    """A study's optimisation history: one point per finished trial, in the order of their ends.

    Attributes:
        trials: finished trials up to here: 1, 2, ...
        seconds: of all trials up to here, failed ones included.
        flops: of their training, likewise; empty if they are unknown for a trial.
        best: highest accuracy of a complete trial so far; if the study has none, of one that is
            paused at its highest rung; NaN before the first one.
    """

    trials: tuple[float, ...]
    seconds: tuple[float, ...]
    flops: tuple[float, ...]
    best: tuple[float, ...]


def curve(trials: list[CostedTrial]) -> Curve | None:
    """Return the study's curve, None if no trial is complete or paused."""
    chosen = candidates(trials)
    if not chosen:
        return None
    # It ends with the accuracy of the study's best trial.
    alike = ranked(chosen) or [trial for trial in chosen if trial.epochs == chosen[0].epochs]
    numbers_alike = {trial.number for trial in alike}
    seconds = flops = 0.0
    known, highest = True, float("nan")
    points: list[tuple[float, float, float, float]] = []
    for trial in in_order_of_ending(trials):
        seconds += trial.seconds
        flops += trial.flops or 0.0
        if trial.state == TrialState.FAIL:
            continue
        known &= trial.flops is not None
        if trial.number in numbers_alike:
            highest = float(np.fmax(highest, trial.accuracy or 0.0))
        points.append((float(len(points) + 1), seconds, flops, highest))
    numbers, times, operations, best = zip(*points, strict=True)
    return Curve(numbers, times, operations if known else (), best)


def at(x: Sequence[float], y: Sequence[float], where: float) -> float:
    """Return the step curve's value at ``where``, NaN before its first point."""
    location = int(np.searchsorted(x, where, side="right")) - 1
    return y[location] if location >= 0 else float("nan")


def band(
    members: Sequence[tuple[Sequence[float], Sequence[float]]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return ``(x, mean, lowest, highest)`` of step curves ``(x, y)``, up to the first end.

    ``x`` holds the points of all curves; where one curve has no value yet, the results are NaN.
    """
    end = min(x[-1] for x, _ in members)
    grid = np.array(sorted({value for x, _ in members for value in x if value <= end}))
    values = np.array([[at(x, y, where) for where in grid] for x, y in members])
    return grid, values.mean(0), values.min(0), values.max(0)
