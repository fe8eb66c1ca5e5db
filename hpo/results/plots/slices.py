"""Plots of accuracy against parameter values, one parameter at a time and all together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from hpo.results.plots.style import (
    BLACK,
    COLOUR_MAP,
    axes,
    log_ticks,
    percent_axis,
    styled,
    whole_numbers,
)
from hpo.study.record import candidates
from hpo.study.trials import TrialRecord

_WORDS = {"learning_rate": "learning rate", "l2": "L2", "kernel_size": "kernel, px"}


@styled()
def grid(
    rows: Sequence[TrialRecord], kinds: Sequence[Sequence[str]], layers: Sequence[str]
) -> Figure:
    """Plot accuracy against ``<layer>.<kind>``: a row for each of ``kinds``, a column per layer.

    Later trials are lighter. A layer that has none of a row's kinds leaves its axes empty.
    """
    space = _space(rows)
    figure, cells = axes(
        len(kinds), len(layers), height=0.9 + 1.6 * len(kinds), sharey=True, sharex=False
    )
    colours = _trial_colours(rows)
    for alike, line in zip(kinds, cells, strict=True):
        first = True
        for layer, ax in zip(layers, line, strict=True):
            if line is cells[0]:
                ax.set_title(layer)
            kind = next((kind for kind in alike if f"{layer}.{kind}" in space), None)
            if kind is None:
                ax.set_axis_off()
                continue
            name = f"{layer}.{kind}"
            _slice(ax, rows, name, space[name], colours, _WORDS.get(kind, kind))
            ax.tick_params(labelleft=first)
            first = False
        percent_axis(line[0].yaxis)
    _label(figure, cells, colours)
    return figure


@styled()
def one_by_one(rows: Sequence[TrialRecord], names: Sequence[str]) -> Figure:
    """Plot accuracy against each of the parameters ``names``, four in a line."""
    space = _space(rows)
    lines = -(-len(names) // 4)
    figure, cells = axes(lines, 4, height=0.7 + 1.9 * lines, sharey=True)
    colours = _trial_colours(rows)
    flat = [ax for line in cells for ax in line]
    for ax in flat[len(names) :]:
        ax.set_axis_off()
    for ax, name in zip(flat, names):
        _slice(ax, rows, name, space[name], colours, name)
        percent_axis(ax.yaxis)
    _label(figure, cells, colours)
    return figure


@styled()
def parallel(rows: Sequence[TrialRecord], names: Sequence[str]) -> Figure:
    """Plot each trial as a line through its values of ``names``, the best one in black."""
    space = _space(rows)
    figure, [[ax]] = axes(height=4.8)
    accuracies = [row.accuracy or 0.0 for row in rows]
    colours = Normalize(min(accuracies), max(max(accuracies), min(accuracies) + 0.01))
    maps = ScalarMappable(colours, COLOUR_MAP)
    colour_map = maps.get_cmap()
    # Better trials are drawn over worse ones.
    for row in sorted(rows, key=lambda row: row.accuracy or 0.0):
        heights = [
            _height(space[name], row.params[name]) if name in row.params else np.nan
            for name in names
        ]
        ax.plot(heights, color=colour_map(colours(row.accuracy or 0.0)), linewidth=1, alpha=0.7)
    best = candidates(rows)[0]
    ax.plot(
        [_height(space[n], best.params[n]) if n in best.params else np.nan for n in names],
        color=BLACK,
        linewidth=2.2,
        marker="o",
        label=f"best, trial {best.number}",
    )
    for location, name in enumerate(names):
        ax.axvline(location, color="#888888", linewidth=0.8, zorder=0)
        low, high = _ends(space[name])
        for height, text, side in ((-0.03, low, "top"), (1.03, high, "bottom")):
            ax.text(location, height, text, ha="center", va=side, fontsize=7.5)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    ax.set(ylim=(-0.1, 1.1), yticks=[], xlim=(-0.4, len(names) - 0.6))
    ax.grid(False)
    ax.tick_params(axis="x", length=0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    bar = figure.colorbar(maps, ax=ax, pad=0.01, aspect=30)
    bar.set_label("one-shot validation accuracy")
    percent_axis(bar.ax.yaxis)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper left")
    return figure


def _space(rows: Sequence[TrialRecord]) -> Mapping[str, BaseDistribution]:
    return {name: kind for row in rows for name, kind in row.distributions.items()}


def _trial_colours(rows: Sequence[TrialRecord]) -> ScalarMappable:
    last = max(row.number for row in rows)
    return ScalarMappable(Normalize(0, max(1, last)), COLOUR_MAP)


def _label(figure: Figure, cells: Sequence[Sequence[Axes]], colours: ScalarMappable) -> None:
    """Say what is up the side of all axes, and what the colours are."""
    figure.supylabel("one-shot validation accuracy", fontsize=10)
    bar = figure.colorbar(colours, ax=[ax for line in cells for ax in line], aspect=40, pad=0.01)
    bar.set_label("trial")
    whole_numbers(bar.ax.yaxis)


def _slice(
    ax: Axes,
    rows: Sequence[TrialRecord],
    name: str,
    distribution: BaseDistribution,
    colours: ScalarMappable,
    label: str,
) -> None:
    with_it = [row for row in rows if name in row.params]
    values: list[Any] = [row.params[name] for row in with_it]
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        values = [choices.index(value) for value in values]
        ax.set_xticks(range(len(choices)), [str(choice) for choice in choices])
        ax.set_xlim(-0.5, len(choices) - 0.5)
        if len(choices) > 2 or any(len(str(choice)) > 7 for choice in choices):
            ax.tick_params(axis="x", rotation=25)
    elif getattr(distribution, "log", False):
        low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
        log_ticks(ax, low, high, most=3)
        ax.set_xlim(low / 1.5, high * 1.5)
    else:
        whole = isinstance(distribution, IntDistribution)
        ax.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10], integer=whole))
        low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
        margin = 0.07 * (high - low)
        ax.set_xlim(low - margin, high + margin)
    ax.scatter(
        values,
        [row.accuracy or 0.0 for row in with_it],
        c=colours.to_rgba(np.array([row.number for row in with_it])),
        s=14,
        alpha=0.85,
        linewidths=0,
    )
    ax.set_xlabel(label, fontsize=8)
    ax.tick_params(labelsize=7.5)


def _height(distribution: BaseDistribution, value: Any) -> float:
    """Return the position of ``value`` in its range, 0 to 1, on the range's own scale."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices.index(value) / max(1, len(distribution.choices) - 1)
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    if getattr(distribution, "log", False):
        low, high, value = np.log(low), np.log(high), np.log(value)
    return float((value - low) / (high - low)) if high > low else 0.5


def _ends(distribution: BaseDistribution) -> tuple[str, str]:
    if isinstance(distribution, CategoricalDistribution):
        return str(distribution.choices[0]), str(distribution.choices[-1])
    return f"{distribution.low:g}", f"{distribution.high:g}"  # type: ignore[attr-defined]
