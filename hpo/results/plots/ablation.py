"""Plot of an ablation: the accuracy after each change."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from hpo.results.plots.style import SERIES, axes, legend, percent_axis, styled

if TYPE_CHECKING:
    from hpo.results.ablation import Step

_LABELS = {"official_runs": "official runs", "n_way": "test alphabets, all drawers"}


@styled()
def ladder(steps: "Sequence[Step]") -> Figure:
    """Plot the accuracy after each step, the first configuration at the top.

    Args:
        steps: the configurations, in order.
    """
    figure, [[ax]] = axes(height=1.8 + 0.42 * len(steps))
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
    names = [f"+ {step.change}" if i else step.change for i, step in enumerate(steps)]
    ax.set_yticks(range(len(steps) - 1, -1, -1), names)
    ax.set(xlabel="one-shot accuracy, 95 % intervals")
    percent_axis(ax.xaxis)
    legend(figure, ax)
    return figure
