"""Pictures of drawings: example one-shot trials, confusions, conv1 filters."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hpo.results.metrics import Confusion, GalleryTrial
from hpo.results.plots.style import BLACK, BLUE, GREY, RED, axes, styled

_COLUMNS = 10
_CAPTION = 0.5
"""Height below each drawing for its caption, in drawings."""


@styled()
def trials(shown: Sequence[GalleryTrial], ink: np.ndarray) -> Figure:
    """Draw each trial: its query, then its support with the correct and the chosen one marked.

    Args:
        shown: the trials.
        ink: uint8 ``[M, H, W]``, 255 = full ink, what the trials point into.
    """
    lines = -(-max(len(trial.support) for trial in shown) // _COLUMNS)
    each = 0.35 + lines * (1 + _CAPTION) * 0.66
    figure, cells = axes(len(shown), 1, height=0.1 + each * len(shown))
    for [ax], trial in zip(cells, shown, strict=True):
        _drawing(ax, ink[trial.query], 0, 0)
        ax.text(0.5, 1.08, "query", ha="center", va="top", fontsize=8.5)
        for location, drawing in enumerate(trial.support):
            x, y = 1.5 + location % _COLUMNS * 1.08, location // _COLUMNS * (1 + _CAPTION)
            _drawing(ax, ink[drawing], x, y)
            _mark(ax, trial, location, x, y)
        verdict = "right" if trial.right else "wrong"
        ax.set_title(
            f"{_plain(trial.alphabet)}, {len(trial.support)}-way: {verdict}", loc="left", pad=3
        )
        ax.set(xlim=(-0.1, 1.5 + _COLUMNS * 1.08), ylim=(lines * (1 + _CAPTION), -0.08))
        ax.set_aspect("equal", anchor="W")
        ax.set_axis_off()
    return figure


@styled()
def confusions(worst: Sequence[Confusion], ink: np.ndarray) -> Figure:
    """Draw pairs of confused characters, the most frequent first."""
    columns = 4
    lines = -(-len(worst) // columns)
    figure, cells = axes(lines, columns, height=1.6 * lines + 0.1)
    flat = [ax for line in cells for ax in line]
    for ax in flat:
        ax.set_axis_off()
    for ax, pair in zip(flat, worst):
        _drawing(ax, ink[pair.asked_drawing], 0, 0)
        _drawing(ax, ink[pair.answered_drawing], 1.5, 0)
        ax.annotate("", (1.45, 0.5), (1.05, 0.5), arrowprops={"arrowstyle": "->", "color": RED})
        below = f"{_last(pair.asked)} → {_last(pair.answered)}\n{pair.count} of {pair.offered}"
        ax.text(1.25, 1.12, below, ha="center", va="top", fontsize=8)
        ax.set_title("\n".join(textwrap.wrap(_plain(pair.alphabet), 22)), fontsize=8.5, pad=3)
        ax.set(xlim=(-0.15, 2.65), ylim=(1.6, -0.05))
        ax.set_aspect("equal")
    return figure


@styled()
def filters(weights: np.ndarray) -> Figure:
    """Draw the kernels ``[F, k, k]`` of the first convolution, black for the most negative."""
    count, side = weights.shape[0], weights.shape[-1]
    columns = min(16, count)
    lines = -(-count // columns)
    canvas = np.full((lines * (side + 1) - 1, columns * (side + 1) - 1), np.nan)
    for i, kernel in enumerate(weights):
        y, x = i // columns * (side + 1), i % columns * (side + 1)
        canvas[y : y + side, x : x + side] = kernel
    figure, [[ax]] = axes(height=max(1.2, 7.2 * canvas.shape[0] / canvas.shape[1] + 0.3))
    limit = float(np.abs(weights).max()) or 1.0
    shown = ax.imshow(canvas, cmap="gray", vmin=-limit, vmax=limit, interpolation="nearest")
    ax.set_axis_off()
    bar = figure.colorbar(shown, ax=ax, aspect=20, pad=0.01)
    bar.set_label("weight")
    return figure


def _mark(ax: Axes, trial: GalleryTrial, location: int, x: float, y: float) -> None:
    right, chosen = location == trial.answer, location == trial.chosen
    colour, words = GREY, ""
    if right or chosen:
        colour = BLUE if right else RED
        # Words and line styles repeat the colours.
        words = ("✓ chosen" if chosen else "correct") if right else "✗ chosen"
        line = "-" if right else (0, (2, 1))
        ax.add_patch(
            Rectangle((x, y), 1, 1, fill=False, edgecolor=colour, linewidth=2.6, linestyle=line)
        )
    text = f"{trial.scores[location]:.2f}" + (f"\n{words}" if words else "")
    weight = "bold" if words else "normal"
    ax.text(
        x + 0.5, y + 1.05, text, ha="center", va="top", fontsize=7.5, color=colour, weight=weight
    )


def _drawing(ax: Axes, ink: np.ndarray, x: float, y: float) -> None:
    ax.imshow(
        ink,
        cmap="gray_r",
        vmin=0,
        vmax=255,
        extent=(x, x + 1, y + 1, y),
        interpolation="antialiased",
    )
    ax.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor=BLACK, linewidth=0.4))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _last(name: str) -> str:
    return name.rpartition("/")[2]
