"""The training curve of a final fit."""

from collections.abc import Sequence
from pathlib import Path

from data.files.atomic import replacing
from hpo.results.metrics import SeedFit

CURVE = "training_curve.png"

# Okabe and Ito's colours, told apart with any kind of colour vision; line styles tell them in grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", "-.", ":")


def draw_curve(seeds: Sequence[SeedFit], folder: Path, title: str, chance: float) -> None:
    """Write ``training_curve.png``: loss and accuracies of every seed against the pairs seen.

    Args:
        seeds: the fits.
        folder: where to.
        title: above the picture.
        chance: what guessing scores on the validation trials.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(7, 6), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    loss, accuracy = figure.subplots(2, 1, sharex=True)
    for i, seed in enumerate(seeds):
        colour, style = _COLOURS[i % len(_COLOURS)], _STYLES[i % len(_STYLES)]
        pairs = [epoch["pairs_seen"] for epoch in seed.history]
        marker = "o" if len(pairs) == 1 else ""
        losses = [float("nan") if e["loss"] is None else e["loss"] for e in seed.history]
        scores = [epoch["one_shot_accuracy"] for epoch in seed.history]
        label = f"seed {seed.seed}"
        loss.plot(pairs, losses, style, color=colour, marker=marker, label=label)
        accuracy.plot(pairs, scores, style, color=colour, marker=marker)
        best = seed.best_epoch - 1
        accuracy.plot(pairs[best], scores[best], "o", color=colour, markersize=7, zorder=3)
    accuracy.plot([], [], "o", color="#555555", label="best epoch, kept")
    accuracy.axhline(chance, color="#555555", linewidth=1, linestyle=(0, (1, 3)), label="chance")
    loss.set(ylabel="training loss (nats)", title=title)
    accuracy.set(ylabel="one-shot validation accuracy", xlabel="training pairs seen")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    accuracy.xaxis.set_major_formatter(lambda pairs, _: _count(pairs))
    for axes in (loss, accuracy):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    with replacing(folder / CURVE) as part:
        figure.savefig(part, format="png")


def _count(pairs: float) -> str:
    for unit, name in ((1e6, " M"), (1e3, "k")):
        if pairs >= unit:
            return f"{pairs / unit:g}{name}"
    return f"{pairs:g}"
