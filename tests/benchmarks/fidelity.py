"""How far a low rung can be trusted: ``python -m tests.benchmarks.fidelity table.csv STUDY``.

The study trains configurations drawn at random to their end, each epoch validated::

    python run_study.py --study beyond --sampler random --pruner none --trials 64 \
        --set budget.teraflops=150 --set budget.patience=27 --set budget.seconds=7200

From its database this writes a CSV with a row for each configuration, or reads one that is there,
and prints Spearman's rank correlation between each epoch and the end. The columns of the CSV:
``seed``, every parameter, ``pairs_per_epoch``, ``teraflops_per_epoch``, and
``accuracy_1``, ``accuracy_2``, ..., one-shot validation accuracy after each epoch in [0, 1]; a
training that diverged or collapsed keeps its last value.
"""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from hpo.results.costs import costed_trials
from hpo.study.open import open_finished
from hpo.study.samplers.asha import REDUCTION
from hpo.study.storage.location import StudyLocation


def rows_of(location: StudyLocation) -> list[dict[str, object]]:
    """Return a row for each configuration that the study has trained to its end."""
    trials = [trial for trial in costed_trials(open_finished(location)) if trial.is_complete]
    names = sorted({name for trial in trials for name in trial.params})
    epochs = max((len(trial.history) for trial in trials), default=0)
    rows = []
    for trial in trials:
        values = [float(result["one_shot_accuracy"]) for result in trial.history]
        values += values[-1:] * (epochs - len(values))
        pairs = int(trial.history[0]["pairs_seen"])
        rows.append(
            {
                "seed": trial.seed,
                **{name: trial.params.get(name, "") for name in names},
                "pairs_per_epoch": pairs,
                "teraflops_per_epoch": round((trial.flops_per_pair or 0) * pairs / 1e12, 4),
                **{f"accuracy_{n}": round(value, 5) for n, value in enumerate(values, 1)},
            }
        )
    return rows


def write(rows: Sequence[Mapping[str, object]], file: Path) -> None:
    """Write the rows, which have the same columns."""
    with file.open("w", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def accuracies(file: Path) -> np.ndarray:
    """Return the accuracies ``[configurations, epochs]`` of a CSV."""
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    names = [name for name in rows[0] if name.startswith("accuracy_")]
    return np.array([[float(row[name]) for name in names] for row in rows])


def correlations(values: np.ndarray) -> list[tuple[int, float, float]]:
    """Return each epoch, its correlation with the end over all, and over the end's better half.

    What counts is the best accuracy up to an epoch, as in the search. Many random configurations
    learn nothing, which any rung can tell; the better half is what a search has to rank.
    """
    best = np.maximum.accumulate(values, axis=1)
    good = best[:, -1] >= np.median(best[:, -1])
    return [
        (
            epoch,
            float(spearmanr(best[:, epoch - 1], best[:, -1]).statistic),
            float(spearmanr(best[good, epoch - 1], best[good, -1]).statistic),
        )
        for epoch in range(1, best.shape[1] + 1)
    ]


def kept(values: np.ndarray) -> list[tuple[int, float]]:
    """Return each epoch, and how good the best is, at the end, of those that its best third keeps.

    That is the accuracy that is lost by going on with the best third after the epoch.
    """
    best = np.maximum.accumulate(values, axis=1)
    end, places = best[:, -1], max(1, len(best) // REDUCTION)
    found = []
    for epoch in range(1, best.shape[1] + 1):
        order = np.argsort(-best[:, epoch - 1], kind="stable")
        found.append((epoch, float(end.max() - end[order[:places]].max())))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the CSV, if a study is named, and print its table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fidelity")
    parser.add_argument("csv", type=Path)
    parser.add_argument("study", nargs="?", help="the study's name")
    parser.add_argument("--out", type=Path, default=Path("studies"), help="the folder of studies")
    asked = parser.parse_args(arguments)
    if asked.study is not None:
        rows = rows_of(StudyLocation(asked.study, asked.out))
        if not rows:
            parser.error(f"study {asked.study} has no complete trial")
        write(rows, asked.csv)
    values = accuracies(asked.csv)
    print(f"{len(values)} configurations, {values.shape[1]} epochs")
    print("epoch  correlation with the end  of the better half  lost by the best third")
    for (epoch, whole, half), (_, lost) in zip(correlations(values), kept(values), strict=True):
        print(f"{epoch:5}  {whole:24.2f}  {half:18.2f}  {100 * lost:15.1f} points")
    return 0


if __name__ == "__main__":
    sys.exit(main())
