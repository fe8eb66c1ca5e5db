"""Plots of a search: best so far, parameter importance, trial outcomes, costs."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpo.results.costs import CostedTrial, in_order_of_ending
from hpo.results.history import Curve, band
from hpo.results.plots.style import (
    BLACK,
    BLUE,
    OUTCOMES,
    SERIES,
    axes,
    legend,
    log_ticks,
    percent_axis,
    styled,
    whole_numbers,
)
from hpo.study.attempts import outcome
from hpo.study.trials import FINISHED

_SECONDS = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))
_FLOPS = ((1e18, "EFLOP"), (1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1.0, "FLOP"))


def unit(largest: float, units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """Return the largest unit of which ``largest`` has at least two, else the smallest."""
    return next((u for u in units if largest >= 2 * u[0]), units[-1])


@styled()
def best_so_far(
    groups: Mapping[str, Sequence[Curve]], trials: Sequence[CostedTrial] = ()
) -> Figure:
    """Plot the best accuracy so far against trials, time and training FLOP.

    Args:
        groups: label -> the curves of studies that differ only by seed; of several, their mean,
            and their range as a band.
        trials: one study's, plotted as dots in the order in which they ended.
    """
    curves = [curve for group in groups.values() for curve in group]
    seconds, seconds_name = unit(max(curve.seconds[-1] for curve in curves), _SECONDS)
    known = [curve.flops[-1] for curve in curves if curve.flops]
    panels: list[tuple[str, Callable[[Curve], Sequence[float]], float]] = [
        ("finished trials", lambda curve: curve.trials, 1.0),
        (f"time of all trials, {seconds_name}", lambda curve: curve.seconds, seconds),
    ]
    if known:
        flops, flops_name = unit(max(known), _FLOPS)
        panels.append((f"training, {flops_name}", lambda curve: curve.flops, flops))
    figure, [row] = axes(1, len(panels), height=3.9, sharey=True)
    for ax, (label, along, scale) in zip(row, panels, strict=True):
        for (name, group), look in zip(groups.items(), SERIES * 3):
            members = [(along(curve), curve.best) for curve in group if along(curve)]
            if not members:
                continue
            x, mean, low, high = band(members)
            ax.step(
                x / scale,
                mean,
                where="post",
                color=look.colour,
                linestyle=look.line,
                label=name,
            )
            if len(members) > 1:
                ax.fill_between(
                    x / scale, low, high, step="post", color=look.colour, alpha=0.18, linewidth=0
                )
            ax.plot(x[-1:] / scale, mean[-1:], look.marker, color=look.colour)
        ax.set_xlabel(label)
        ax.set_xlim(left=0)
    _dots(row[0], trials)
    whole_numbers(row[0].xaxis)
    row[0].set_ylabel("one-shot validation accuracy")
    percent_axis(row[0].yaxis)
    legend(figure, row[0], columns=3)
    return figure


def _dots(ax: Axes, trials: Sequence[CostedTrial]) -> None:
    finished = [trial for trial in in_order_of_ending(list(trials)) if trial.state in FINISHED]
    for word, look in OUTCOMES.items():
        dots = [
            (i + 1, row.accuracy)
            for i, row in enumerate(finished)
            if outcome(row) == word and row.accuracy is not None
        ]
        if dots:
            ax.plot(
                *zip(*dots),
                look.marker,
                color=look.colour,
                markersize=4,
                alpha=0.55,
                label=f"{word} trial",
            )


@styled()
def importances(values: Mapping[str, float]) -> Figure:
    """Plot each parameter's importance, in the order given, the first at the top."""
    names = list(values)[::-1]
    figure, [[ax]] = axes(height=1.0 + 0.24 * len(names))
    bars = ax.barh(names, [values[name] for name in names], color=BLUE, height=0.7)
    ax.bar_label(bars, fmt="%.2g", padding=3, fontsize=8)
    ax.set(xlabel="importance (sums to 1)", ylim=(-0.6, len(names) - 0.4))
    ax.margins(x=0.08)
    ax.grid(False, axis="y")
    return figure


@styled()
def outcomes(trials: Sequence[CostedTrial]) -> Figure:
    """Plot when each trial ran and its last epoch, by its outcome."""
    figure, [[when, epochs]] = axes(1, 2, height=4.6, sharey=True, width_ratios=(3, 2))
    begun = [row for row in trials if row.started is not None]
    now = max((row.ended or row.started for row in begun if row.started), default=None)
    stretches = [
        (row.started.timestamp(), (row.ended or now or row.started).timestamp())
        for row in begun
        if row.started
    ]
    busy = _busy_time(stretches)
    scale, name = unit(max((busy(end) for _, end in stretches), default=1.0), _SECONDS)
    for word, look in OUTCOMES.items():
        chosen = [i for i, row in enumerate(begun) if outcome(row) == word]
        if not chosen:
            continue
        numbers = [begun[i].number for i in chosen]
        begins = [busy(stretches[i][0]) / scale for i in chosen]
        ends = [busy(stretches[i][1]) / scale for i in chosen]
        when.hlines(numbers, begins, ends, color=look.colour, linewidth=1.4)
        label = f"{word} ({len(chosen)})"
        size = 4 if len(begun) < 120 else 3
        when.plot(ends, numbers, look.marker, color=look.colour, markersize=size, label=label)
        reached = [begun[i].epochs for i in chosen]
        epochs.plot(reached, numbers, look.marker, color=look.colour, markersize=size)
    when.set(xlabel=f"time with a trial running, {name}", ylabel="trial")
    first, last = begun[0].number, begun[-1].number
    margin = 0.7 + 0.03 * (last - first)
    when.set_ylim(last + margin, first - margin)
    epochs.set(xlabel="last epoch", xlim=(-0.5, None))
    whole_numbers(when.yaxis)
    whole_numbers(epochs.xaxis)
    legend(figure, when, columns=5)
    return figure


def _busy_time(stretches: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """Return the function from a time to how much of the time before it the stretches cover."""
    merged: list[list[float]] = []
    for start, end in sorted(stretches):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return lambda time: sum(max(0.0, min(end, time) - start) for start, end in merged)


@styled()
def cost(trials: Sequence[CostedTrial]) -> Figure:
    """Plot accuracy against parameters, training FLOP per pair, and seconds."""
    figure, [row] = axes(1, 3, height=3.5, sharey=True)
    panels: tuple[tuple[str, Callable[[CostedTrial], float | None]], ...] = (
        ("parameters", lambda trial: trial.parameters),
        ("training FLOP per pair", lambda trial: trial.flops_per_pair),
        ("seconds", lambda trial: trial.seconds),
    )
    finished = [trial for trial in trials if trial.state in FINISHED]
    for ax, (label, value) in zip(row, panels, strict=True):
        # The complete ones lie above the others.
        for word, look in reversed(OUTCOMES.items()):
            points = [
                (value(trial), trial.accuracy)
                for trial in finished
                if outcome(trial) == word and value(trial) and trial.accuracy is not None
            ]
            if not points:
                continue
            name = f"{word} trial"
            ax.plot(*zip(*points), look.marker, color=look.colour, alpha=0.6, label=name)
            if word == "complete":
                ax.step(
                    *_frontier(points),  # type: ignore[arg-type]
                    where="post",
                    color=BLACK,
                    linewidth=1.2,
                    label="best at this cost or lower",
                )
        ax.set_xlabel(label)
        known = [x for trial in trials if (x := value(trial)) and trial.accuracy is not None]
        if known:
            log_ticks(ax, min(known), max(known), most=4)
    row[0].set_ylabel("one-shot validation accuracy")
    percent_axis(row[0].yaxis)
    legend(figure, row[0], columns=3)
    return figure


def _frontier(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    ordered = sorted(points)
    best = np.maximum.accumulate([accuracy for _, accuracy in ordered])
    return [x for x, _ in ordered], best.tolist()
