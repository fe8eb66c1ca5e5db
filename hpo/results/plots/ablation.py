"""Plot of an ablation: the accuracy with each change, and without it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpo.results.accuracy import scopes
from hpo.results.plots.style import SERIES, axes, legend, percent_axis, styled

if TYPE_CHECKING:
    from hpo.results.ablation import Step

_LABELS = {"official_runs": "official runs", "n_way": "test alphabets, all drawers"}


@styled()
def ladder(steps: "Sequence[Step]") -> Figure:
    """Plot the accuracy after each change made, the first at the top; below, without each of them.

    Args:
        steps: the configurations, in order.
    """
    parts = [part for part in ([s for s in steps if s.undone is u] for u in (False, True)) if part]
    figure, grid = axes(
        rows=len(parts),
        height=1.8 + 0.42 * len(steps),
        sharex=True,
        height_ratios=[len(part) for part in parts],
    )
    for [ax], part in zip(grid, parts):
        _draw(ax, part)
    figures = [figure for step in steps for figure in step.figures]
    ax.set(xlabel=f"one-shot accuracy, 95 % intervals over {scopes(figures)}")
    percent_axis(ax.xaxis)
    legend(figure, ax)
    return figure


def _draw(ax: Axes, steps: "Sequence[Step]") -> None:
    for i, ((protocol, label), look) in enumerate(zip(_LABELS.items(), SERIES)):
        rows = [
            (len(steps) - 1 - location + 0.12 * (0.5 - i), score)
            for location, step in enumerate(steps)
            for score in step.figures
            if score.protocol == protocol
        ]
        if not rows:
            continue
        ax.errorbar(
            [score.mean for _, score in rows],
            [y for y, _ in rows],
            xerr=[
                [score.mean - score.low for _, score in rows],
                [score.high - score.mean for _, score in rows],
            ],
            label=f"{label}, {rows[0][1].way}-way",
            capsize=3,
            elinewidth=1.2,
            **look.of_line(),
        )
    ax.set_yticks(range(len(steps) - 1, -1, -1), [step.label for step in steps])
