"""How far a low rung can be trusted: ``python -m tests.benchmarks.fidelity table.csv STUDY ...``.

The study trains configurations drawn at random to their end, each epoch validated::

    python run_study.py --study beyond --sampler random --pruner none --trials 64 \
        --set budget.teraflops=150 --set budget.patience=27 --set budget.seconds=7200

From its database this adds a row for each configuration to a CSV, which other machines or other
``search.seed`` have begun or which is new, and prints Spearman's rank correlation between each
epoch and the end; ``--plot`` draws it. Several studies become one table, such as one of a whole
space and one of its promising part. Without a study the CSV is only read. The columns:
``seed``, every parameter, ``pairs_per_epoch``, ``teraflops_per_epoch``, and
``accuracy_1``, ``accuracy_2``, ..., one-shot validation accuracy after each epoch in [0, 1]; a
training that diverged or collapsed keeps its last value.
"""

import argparse
import csv
import io
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from optuna import Study
from scipy.stats import ConstantInputWarning, spearmanr

from data.files.atomic import write_bytes
from hpo.results.costs import costed_trials
from hpo.results.plots.style import GREY, SERIES, axes, percent_axis, save, styled
from hpo.study.errors import ConfigError, StudyError
from hpo.study.open import open_finished
from hpo.study.record import StudyRecord
from hpo.study.samplers.asha import REDUCTION, rungs_of
from hpo.study.storage.location import StudyLocation
from tests.benchmarks import named_path, positive, result_file

_ENCODING = "utf-8-sig"
"""Of a table that is read: spreadsheets put a byte order mark before it."""
_COSTS = ("pairs_per_epoch", "teraflops_per_epoch")


def rows_of(*locations: StudyLocation) -> list[dict[str, object]]:
    """Return a row for each configuration that the studies have trained to its end.

    Raises:
        StudyError: a study is not there, or differs from the first in more than its search.
    """
    studies = [open_finished(location) for location in locations]
    for other in studies[1:]:
        _refuse_other(studies[0], other)
    trials = [trial for study in studies for trial in costed_trials(study) if trial.is_complete]
    names = sorted({name for trial in trials for name in trial.params})
    # Not only those that were trained: another machine's trainings may all have ended early.
    asked = [(StudyRecord.of(study).config or {}).get("budget.epochs", 0) for study in studies]
    epochs = max([*asked, *(len(trial.history) for trial in trials)])
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


def _refuse_other(first: Study, other: Study) -> None:
    """Refuse studies whose learning curves mean different things.

    Raises:
        ConfigError: data, budget or validation differ; says where.
    """
    one, two = (
        {**(record.config or {}), "data": (record.data or {}).get("digest")}
        for record in map(StudyRecord.of, (first, other))
    )
    for key in sorted(one.keys() | two.keys()):
        if key.startswith(("data", "budget.", "validation.")) and one.get(key) != two.get(key):
            raise ConfigError(
                f"{key} is {one.get(key)} in study {first.study_name}, but {two.get(key)} in "
                f"study {other.study_name}; studies of one table may only differ in their search"
            )


def write(rows: Sequence[Mapping[str, object]], file: Path) -> None:
    """Write the rows after those that the file has already; one that is there stays as it is.

    Raises:
        ConfigError: the file is no such table, or its trainings have other epochs.
        OSError: it cannot be written; what it held is still there.
    """
    table: list[Mapping[str, object]] = []
    if file.exists():
        epochs, more = accuracies(file).shape[1], sum(map(_is_accuracy, rows[0]))
        if epochs != more:
            raise ConfigError(f"{file} has {epochs} epochs of a training, the studies {more}")
        table += csv.DictReader(file.read_text(encoding=_ENCODING).splitlines())
    there = set(map(_training, table))
    for row in rows:
        if (training := _training(row)) not in there:
            there.add(training)
            table.append(row)
    names = dict.fromkeys(name for row in table for name in row)
    # Parameters of a wider space come after the others, not after the accuracies.
    columns = sorted(names, key=lambda name: name in _COSTS or _is_accuracy(name))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    write_bytes(file, text.getvalue().encode())


def _training(row: Mapping[str, object]) -> frozenset[tuple[str, str]]:
    """Return what tells a row's training from others: its seed and its parameters."""
    return frozenset(
        (name, str(value))
        for name, value in row.items()
        if value != "" and name not in _COSTS and not _is_accuracy(name)
    )


def _is_accuracy(column: str) -> bool:
    return column.startswith("accuracy_")


def accuracies(file: Path) -> np.ndarray:
    """Return the accuracies ``[configurations, epochs]`` of a CSV, in [0, 1].

    Raises:
        ConfigError: it cannot be read, or is no such table.
    """
    try:
        with file.open(newline="", encoding=_ENCODING) as text:
            table = csv.DictReader(text)
            names = list(filter(_is_accuracy, table.fieldnames or ()))
            rows = list(table)
        if long := next((n for n, row in enumerate(rows, 1) if None in row), None):
            raise ValueError(f"row {long} has more cells than there are columns")
        values = np.array([[float(row[name] or "nan") for name in names] for row in rows])
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigError(f"{file} cannot be read as a table of learning curves: {error}") from None
    if values.size == 0 or not ((values >= 0) & (values <= 1)).all():
        raise ConfigError(f"{file}: accuracy_1, accuracy_2, ... should be in [0, 1] in every row")
    return values


def correlations(values: np.ndarray) -> list[tuple[int, float, float]]:
    """Return each epoch, its correlation with the end over all, and over the end's better half.

    What counts is the best accuracy up to an epoch, as in the search. Many random configurations
    learn nothing, which any rung can tell; the better half is what a search has to rank. Of values
    that are all the same there is no correlation, NaN.
    """
    best = np.maximum.accumulate(values, axis=1)
    good = best[:, -1] >= np.median(best[:, -1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
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


@styled()
def plot(values: np.ndarray, count: int) -> Figure:
    """Plot the rank correlation with the end, and ``count`` rungs' accuracies against the end's."""
    figure, [[ranks, points]] = axes(1, 2, height=3.6)
    best = np.maximum.accumulate(values, axis=1)
    epochs, whole, half = zip(*correlations(values), strict=True)
    ranks.plot(epochs, whole, color=SERIES[0].colour, label="all configurations")
    ranks.plot(epochs, half, "--", color=SERIES[1].colour, label="the better half")
    rungs = rungs_of(values.shape[1], count)
    ranks.set_xscale("log")
    ranks.set_xticks(rungs, [f"{rung}" for rung in rungs])
    ranks.minorticks_off()
    ranks.set(xlabel="epoch", ylabel="rank correlation with the end", ylim=(None, 1.02))
    ranks.legend(loc="lower right")
    for rung, look in zip(rungs[:-1], SERIES, strict=False):
        # The distance to the diagonal is what was learned after the rung.
        at = best[:, rung - 1], best[:, -1]
        points.plot(*at, look.marker, color=look.colour, markersize=4, label=f"epoch {rung}")
    ends = [0, best.max()]
    points.plot(ends, ends, color=GREY, linewidth=1, linestyle=(0, (1, 3)))
    points.set(xlabel="best accuracy at a rung", ylabel="at the end")
    if len(rungs) > 1:
        points.legend(loc="lower right")
    for axis in (points.xaxis, points.yaxis):
        percent_axis(axis)
    return figure


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the CSV, if a study is named, draw the plot, and print its table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fidelity")
    parser.add_argument("csv", type=result_file)
    parser.add_argument("study", nargs="*", help="a study's name, or several of one space")
    parser.add_argument(
        "--out", type=named_path, default=Path("studies"), help="the folder of studies"
    )
    parser.add_argument("--plot", type=result_file, metavar="PNG", help="draw the table, too")
    parser.add_argument(
        "--rungs", type=positive(int), default=4, help="that are drawn (default: 4)"
    )
    asked = parser.parse_args(arguments)
    try:
        if asked.study:
            names = dict.fromkeys(asked.study)  # one that is named twice counts once
            rows = rows_of(*(StudyLocation(name, asked.out) for name in names))
            if not rows:
                parser.error(f"{', '.join(names)}: no trial is complete")
            write(rows, asked.csv)
        values = accuracies(asked.csv)
        if asked.plot:
            save(plot(values, asked.rungs), asked.plot)
    except (OSError, StudyError) as error:
        parser.error(str(error))
    print(f"{len(values)} configurations, {values.shape[1]} epochs")
    print("epoch  correlation with the end  of the better half  lost by the best third")
    for (epoch, whole, half), (_, lost) in zip(correlations(values), kept(values), strict=True):
        print(f"{epoch:5}  {whole:24.2f}  {half:18.2f}  {100 * lost:15.1f} points")
    return 0


if __name__ == "__main__":
    sys.exit(main())
