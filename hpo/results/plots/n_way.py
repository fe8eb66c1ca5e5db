"""Accuracy against the number of characters offered, and for each test alphabet."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from hpo.results.metrics import Figure as Score
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

_BASELINES = (Look(GREY, "x", (0, (4, 2))), Look(BLACK, "+", (0, (1, 2))))  # type: ignore[arg-type]


@styled()
def against_way(
    ours: Mapping[str, Sequence[Score]],
    baselines: Mapping[str, Sequence[Score]],
    published: tuple[str, Mapping[int, float]] | None,
) -> Figure:
    """Draw accuracy against N, with 95 % intervals.

    Args:
        ours: label -> a net's figures, one per N.
        baselines: label -> likewise, of what learns nothing.
        published: label and accuracies in [0, 1], by how many characters were really offered; None
            where there is nothing to compare.
    """
    figure, [[ax]] = axes(height=5.0)
    looks = [*zip(ours.items(), SERIES), *zip(baselines.items(), _BASELINES)]
    ways = sorted({score.way or 0 for scores in ours.values() for score in scores})
    for location, ((label, scores), look) in enumerate(looks):
        # Side by side, so that no interval hides another.
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
    ax.set(xlabel="N, characters offered in each trial", ylabel="one-shot accuracy", ylim=(0, 1.02))
    ax.set_xticks(ways)
    percent_axis(ax.yaxis)
    legend(figure, ax, first=[*ours, *baselines])
    return figure


@styled()
def by_alphabet(
    way: int, ours: Mapping[str, Sequence[Score]], baseline: Sequence[Score], chance: float
) -> Figure:
    """Draw a bar per alphabet, with 95 % intervals, for one N.

    Args:
        way: the N.
        ours: label -> a net's figures, one per alphabet, all together (None) among them.
        baseline: pixel 1-NN's, likewise.
        chance: what guessing scores.
    """
    names = list(dict.fromkeys(score.alphabet for scores in ours.values() for score in scores))
    # The first name stands at the top.
    locations = {name: len(names) - 1 - i for i, name in enumerate(names)}
    thick = 0.78 / len(ours)
    figure, [[ax]] = axes(height=1.7 + 0.26 * len(names) * (1 + 0.45 * (len(ours) - 1)))
    hatches = (None, "////", "....", "xxxx")
    for i, ((label, scores), look, hatch) in enumerate(zip(ours.items(), SERIES, hatches)):
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
    shown = [score for score in baseline if score.alphabet in locations]
    ax.plot(
        [score.mean for score in shown],
        [locations[score.alphabet] for score in shown],
        "D",
        color=BLACK,
        markerfacecolor="white",
        label="pixel 1-NN",
    )
    ax.axvline(chance, color=BLACK, linestyle="--", linewidth=1.2, label=f"chance, 1/{way}")
    ax.set_yticks(
        list(locations.values()), [(name or "all together").replace("_", " ") for name in locations]
    )
    ax.set(
        xlim=(0, 1),
        ylim=(-0.6, len(names) - 0.4),
        xlabel=f"{way}-way one-shot accuracy (at the right in %)",
    )
    ax.grid(False, axis="y")
    percent_axis(ax.xaxis)
    legend(figure, ax, first=ours)
    return figure
