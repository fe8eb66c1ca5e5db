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
    ours: Mapping[str, Sequence[Accuracy]], baselines: Mapping[str, Sequence[Accuracy]]
) -> Figure:
    """Plot the accuracies on each alphabet, with 95 % intervals, side by side for each N.

    Args:
        ours: label -> a net's accuracies, for each N one per alphabet, with None for all of them
            together; at the right of each plot those of the first.
        baselines: label -> likewise, of the baselines, without intervals.
    """
    every = [score for scores in ours.values() for score in scores]
    ways = sorted({score.way or 0 for score in every})
    names = list(dict.fromkeys(score.alphabet for score in every))
    # The first name is at the top.
    locations = {name: len(names) - 1 - i for i, name in enumerate(names)}
    step = 0.8 / len(ours)
    height = 1.5 + 0.25 * len(ours) + len(names) * max(0.24, 0.13 * len(ours))
    figure, [row] = axes(1, len(ways), height=height, sharey=True)
    for way, ax in zip(ways, row, strict=True):
        for i, ((label, scores), look) in enumerate(zip(ours.items(), cycle(SERIES))):
            shown = [score for score in scores if score.way == way]
            at = [locations[one.alphabet] + step * ((len(ours) - 1) / 2 - i) for one in shown]
            means = [score.mean for score in shown]
            ends = [[one.mean - one.low for one in shown], [one.high - one.mean for one in shown]]
            ax.errorbar(
                means,
                at,
                xerr=ends,
                label=label,
                color=look.colour,
                marker=look.marker,
                linestyle="none",
                markersize=4.5,
                elinewidth=1.2,
            )
            if i == 0:
                for one in shown:
                    text = f"{100 * one.mean:.0f}"
                    ax.text(1.05, locations[one.alphabet], text, va="center", fontsize=7.5)
        for (label, scores), marker in zip(baselines.items(), cycle("Ds^v")):
            known = [one for one in scores if one.way == way and one.alphabet in locations]
            ax.plot(
                [score.mean for score in known],
                [locations[score.alphabet] for score in known],
                marker,
                color=GREY,
                markersize=4,
                markerfacecolor="white",
                label=label,
            )
        ax.axvline(1 / way, color=BLACK, linestyle="--", linewidth=1, label="chance, 1/N")
        ax.set(title=f"{way}-way", xlim=(0, 1.02))
        ticks = (0, 50, 100) if len(ways) > 1 else range(0, 101, 20)
        ax.set_xticks([tick / 100 for tick in ticks], [str(tick) for tick in ticks])
    row[0].set_yticks(
        list(locations.values()), [(name or "all together").replace("_", " ") for name in locations]
    )
    row[0].set_ylim(-0.6, len(names) - 0.4)
    middle = row[len(row) // 2]
    middle.set_xlabel(f"one-shot accuracy, %; 95 % intervals over {scopes(every)}")
    legend(figure, row[0], first=ours)
    return figure
