"""The plots of studies/results, from the metrics there: ``python -m tests.benchmarks.pictures``."""

from pathlib import Path
from typing import Annotated

import typer

from hpo.reporting.accuracy import n_way_plot
from hpo.results.fits import SavedFit, label, of_alphabets, with_ensembles
from hpo.results.metrics import METRICS, load_metrics
from hpo.results.plots.n_way import by_alphabet
from hpo.results.plots.style import save
from hpo.study.files import load
from model.baselines import BASELINES
from tests import ROOT

RESULTS = ROOT / "studies" / "results"
WAY = 20


def main(
    folder: Annotated[Path, typer.Option(help="Of the studies' folders.")] = RESULTS,
) -> None:
    """Draw again each plot of a final fit that lies beside its metrics.json."""
    for file in sorted(folder.glob(f"*/{METRICS}")):
        metrics = load_metrics(file.parent)
        name = label(metrics, load(metrics.study).space())
        fits = with_ensembles([SavedFit(name, file.parent, metrics)])
        alphabets, n_way = (file.with_name(f"{n}.png") for n in (f"alphabets-{WAY}-way", "n-way"))
        if alphabets.exists():
            others = {row.title: of_alphabets(metrics, WAY, n) for n, row in BASELINES.items()}
            ours = {fit.label: of_alphabets(metrics, WAY, fit.system) for fit in fits}
            save(by_alphabet(ours, others), alphabets)
        if n_way.exists():
            save(n_way_plot(fits), n_way)


if __name__ == "__main__":
    typer.run(main)
