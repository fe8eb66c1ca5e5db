"""Plots of N-way accuracy: against N, and for each test alphabet."""

from collections.abc import Mapping, Sequence
from itertools import cycle

from matplotlib.figure import Figure

from hpo.results.accuracy import Accuracy, scopes
from hpo.results.plots.style import (
    BLACK,
    GREY,
    PURPLE,
    SERIES,
    Look,
    axes,
    legend,
    percent_axis,
    styled,
)

_BASELINES = (
    Look(GREY, "x", (0, (4, 2))),  # type: ignore[arg-type]
    Look(BLACK, "+", (0, (1, 2))),  # type: ignore[arg-type]
    Look(GREY, "1", (0, (1, 1))),  # type: ignore[arg-type]
)
"""Given out in this order, and then again."""


@styled()
def against_way(
    ours: Mapping[str, Sequence[Accuracy]],
    baselines: Mapping[str, Sequence[Accuracy]],
    published: tuple[str, Mapping[int, float]] | None,
) -> Figure:
    """Plot accuracy against N, with 95 % intervals.

    Args:
        ours: label -> a net's accuracies, one per N.
        baselines: label -> likewise, of the baselines.
        published: label and accuracies in [0, 1] by N; None if none are comparable.
    """
    figure, [[ax]] = axes(height=5.0)
    looks = [*zip(ours.items(), cycle(SERIES)), *zip(baselines.items(), cycle(_BASELINES))]
    ways = sorted({score.way or 0 for scores in ours.values() for score in scores})
    for location, ((label, scores), look) in enumerate(looks):
        # Shifted sideways so that no interval hides another.
        shift = 0.14 * (location - (len(looks) - 1) / 2)
        ax.errorbar(
            [(score.way or 0) + shift for score in scores],
            [score.mean for score in scores],
            yerr=[
                [score.mean - score.low for score in scores],
                [score.high - score.mean for score in scores],
            ],
            label=label,
            capsize=3,
            elinewidth=1.2,
            **look.of_line(),
        )
    label, points = published or ("", {})
    if published:
        ax.plot(
            list(points),
            list(points.values()),
            label=label,
            color=PURPLE,
            marker="D",
            markerfacecolor="white",
            linestyle=(0, (3, 3)),
        )
    reach = [n / 10 for n in range(20, 10 * (max([*ways, *points]) + 1))]
    ax.plot(reach, [1 / n for n in reach], color=GREY, linewidth=1, label="chance, 1/N")
    over = scopes(score for scores in (*ours.values(), *baselines.values()) for score in scores)
    ax.set(
        xlabel=f"N, characters in the support set; 95 % intervals over {over}",
        ylabel="one-shot accuracy",
        ylim=(0, 1.02),
    )
    ax.set_xticks(ways)
    percent_axis(ax.yaxis)
    legend(figure, ax, first=[*ours, *baselines])
    return figure


@styled()
def by_alphabet(
    way: int,
    ours: Mapping[str, Sequence[Accuracy]],
    baselines: Mapping[str, Sequence[Accuracy]],
) -> Figure:
    """Plot a bar per alphabet, with 95 % intervals, for one N.

    Args:
        way: the N.
        ours: label -> a net's accuracies, one per alphabet, with None for all of them together.
        baselines: label -> likewise, of the baselines, drawn as points.
    """
    names = list(dict.fromkeys(score.alphabet for scores in ours.values() for score in scores))
    # The first name is at the top.
    locations = {name: len(names) - 1 - i for i, name in enumerate(names)}
    thick = 0.78 / len(ours)
    figure, [[ax]] = axes(height=1.7 + 0.26 * len(names) * (1 + 0.45 * (len(ours) - 1)))
    hatches = (None, "////", "....", "xxxx")
    for i, ((label, scores), look, hatch) in enumerate(
        zip(ours.items(), cycle(SERIES), cycle(hatches))
    ):
        shift = thick * ((len(ours) - 1) / 2 - i)
        at = [locations[score.alphabet] + shift for score in scores]
        ax.barh(
            at,
            [score.mean for score in scores],
            height=thick * 0.92,
            color=look.colour,
            alpha=0.75,
            hatch=hatch,
            edgecolor="white",
            label=label,
        )
        ax.errorbar(
            [score.mean for score in scores],
            at,
            xerr=[
                [score.mean - score.low for score in scores],
                [score.high - score.mean for score in scores],
            ],
            fmt="none",
            ecolor=BLACK,
            elinewidth=1.2,
            capsize=2.5,
        )
        for y, score in zip(at, scores, strict=True):
            ax.text(1.015, y, f"{100 * score.mean:.1f}", va="center", fontsize=8, clip_on=False)
    for (label, scores), marker in zip(baselines.items(), cycle("Ds^v")):
        shown = [score for score in scores if score.alphabet in locations]
        ax.plot(
            [score.mean for score in shown],
            [locations[score.alphabet] for score in shown],
            marker,
            color=BLACK,
            markerfacecolor="white",
            label=label,
        )
    over = scopes(score for scores in ours.values() for score in scores)
    ax.axvline(1 / way, color=BLACK, linestyle="--", linewidth=1.2, label=f"chance, 1/{way}")
    ax.set_yticks(
        list(locations.values()), [(name or "all together").replace("_", " ") for name in locations]
    )
    ax.set(
        xlim=(0, 1),
        ylim=(-0.6, len(names) - 0.4),
        xlabel=f"{way}-way one-shot accuracy (at the right in %); 95 % intervals over {over}",
    )
    ax.grid(False, axis="y")
    percent_axis(ax.xaxis)
    legend(figure, ax, first=ours)
    return figure
