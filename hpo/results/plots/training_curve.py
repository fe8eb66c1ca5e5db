"""The training curve of a final fit."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from hpo.results.metrics import SeedFit


def draw_curve(seeds: Sequence[SeedFit], path: Path, title: str, chance: float) -> None:
    """Write a picture of the loss and accuracy of every seed against the pairs seen.

    Args:
        seeds: the fits.
        path: of the picture.
        title: above the picture.
        chance: accuracy of guessing on the validation trials.
    """
    from hpo.results.plots.style import GREY, SERIES, axes, legend, percent_axis, save, styled

    with styled():
        figure, [[loss], [accuracy]] = axes(2, 1, height=6.8, sharex=True)
        for seed, look in zip(seeds, cycle(SERIES)):
            history: Sequence[Mapping[str, Any]] = seed.history
            pairs = [epoch["pairs_seen"] for epoch in history]
            style: dict[str, Any] = {"color": look.colour, "marker": "o" if len(pairs) == 1 else ""}
            style["linestyle"] = look.line
            label = f"seed {seed.seed}" + ", collapsed" * seed.collapsed
            losses = [float("nan") if e["loss"] is None else e["loss"] for e in history]
            scores = [epoch["one_shot_accuracy"] for epoch in history]
            loss.plot(pairs, losses, **style, label=label)
            accuracy.plot(pairs, scores, **style)
            best = seed.best_epoch - 1
            accuracy.plot(pairs[best], scores[best], "o", color=look.colour, markersize=7, zorder=3)
        dotted: dict[str, Any] = {"color": GREY, "linewidth": 1, "linestyle": (0, (1, 3))}
        accuracy.axhline(chance, **dotted)
        loss.plot([], [], "o", color=GREY, label="best epoch, kept")
        loss.plot([], [], **dotted, label="chance")
        loss.set(ylabel="training loss (nats)", title=title)
        accuracy.set(ylabel="one-shot validation accuracy", xlabel="training pairs seen")
        percent_axis(accuracy.yaxis)
        accuracy.xaxis.set_major_formatter(lambda pairs, _: _count(pairs))
        legend(figure, loss, columns=3)
    save(figure, path)


def _count(pairs: float) -> str:
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if pairs >= unit:
            return f"{pairs / unit:g}{name}"
    return f"{pairs:g}"
