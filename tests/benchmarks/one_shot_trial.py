"""The picture of a one-shot trial: ``python -m tests.benchmarks.one_shot_trial``."""

from pathlib import Path
from typing import Annotated

import typer
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data.sources.table import load
from tests import ROOT

PICTURE = ROOT / "studies" / "results" / "one-shot-trial.png"


def main(
    data_root: Annotated[Path | None, typer.Option(help="Where Omniglot lies.")] = None,
    trial: Annotated[
        int, typer.Option(help="Of the 400 of the official runs, from 0.", min=0, max=399)
    ] = 130,
    file: Annotated[Path, typer.Option(help="Where to write it.")] = PICTURE,
) -> None:
    """Draw the query and the 20 candidates of a trial of the official runs, the answer framed."""
    runs = load("omniglot", data_root, download=False).official_runs
    assert runs is not None, "all_runs.zip is missing"
    figure = Figure(figsize=(9, 1.9), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, width_ratios=[1, 5])
    ink = runs.drawings.ink
    (query,) = left.subplots(1, 1, squeeze=False)[0]
    query.set_title("Which of these ...", fontsize=9)
    axes = right.subplots(2, 10)
    right.suptitle("... is the same character, by another drawer?", fontsize=9)
    shown = [(query, runs.query[trial]), *zip(axes.flat, runs.support[trial], strict=True)]
    for place, (ax, index) in enumerate(shown):
        ax.imshow(255 - ink[index].numpy(), cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
        answer = place - 1 == int(runs.answer[trial])
        for side in ax.spines.values():
            side.set(color="tab:green" if answer else "lightgray", linewidth=2.5 if answer else 1)
    figure.savefig(file, dpi=100)


if __name__ == "__main__":
    typer.run(main)
