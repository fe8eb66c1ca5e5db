"""The plan of a study before it runs, and its results afterwards."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import optuna
from rich.console import Console
from rich.table import Table

from hpo.study.record import BASELINE, StudyRecord
from hpo.study.run import StudyRun
from hpo.study.space.catalogue import Value
from hpo.study.space.search_space import SearchSpace
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import ranked, records
from hpo.terminal.commands import study_command
from hpo.terminal.progress import duration
from model.hyperparameters import Hyperparameters
from model.net.siamese import parameter_count


def print_results(
    console: Console,
    study: optuna.Study,
    location: StudyLocation,
    data_root: Path | None = None,
) -> None:
    """Print the best five trials and the next commands; nothing if no trial is complete."""
    complete = ranked(records(study))
    if not complete:
        return
    best = complete[:5]
    table = Table(
        title=f"Study {location.name}: top {len(best)} of {len(complete)} complete trials"
    )
    for heading in ("trial", "one-shot", "verification", "epoch", "parameters", "time"):
        table.add_column(heading, justify="right")
    for trial in best:
        table.add_row(
            str(trial.number),
            f"{trial.accuracy:.1%}",
            _or_dash(trial.verification_accuracy, ".1%"),
            _or_dash(trial.best_epoch, ""),
            _or_dash(trial.parameters, ","),
            duration(trial.seconds),
        )
    console.print(table)
    if (baseline := StudyRecord.of(study).baseline) is not None:
        console.print(
            f"Baseline on the same validation trials, {BASELINE}: {baseline:.1%}.", highlight=False
        )
    console.print("Next:", highlight=False)
    for command in next_commands(location, data_root):
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def next_commands(location: StudyLocation, data_root: Path | None = None) -> list[str]:
    """Return the commands for a study that has results."""
    return [study_command(name, location, data_root) for name in ("dashboard", "fit", "report")]


def print_plan(console: Console, run: StudyRun) -> None:
    """Print what would run: data, budget, search space, nets and their time per trial."""
    from model.training.cost import estimate_seconds

    config = run.config
    budget, search, data = config.budget, config.search, config.data
    for label, text in (
        ("data", f"{data.dataset}, {data.image_size} px, background {data.background}"),
        ("search", f"{search.trials} trials, sampler {search.sampler}, pruner {search.pruner}"),
        (
            "budget",
            f"at most {budget.epochs} epochs of {budget.pairs_per_epoch:,} pairs per trial, "
            f"early stopping after {budget.patience} without improvement",
        ),
    ):
        console.print(f"{label:>7}: {text}", markup=False, highlight=False)
    space = config.space()
    table = Table(title="Search space")
    table.add_column("parameter")
    table.add_column("values")
    for name, specification in space.searched.items():
        table.add_row(name, str(specification))
    console.print(table)

    nets = Table(title=f"Nets, and the longest time of a trial on this {run.device}")
    for heading in ("net", "parameters", "time per trial"):
        nets.add_column(heading, justify="right")
    for label, hyperparameters in _nets(space):
        try:
            seconds = estimate_seconds(hyperparameters, config.training_budget(), run.device)
            cost = duration(seconds)
        except (MemoryError, RuntimeError):
            cost = "not enough memory"
        count = parameter_count(hyperparameters.architecture)
        nets.add_row(label, f"{count:,}", cost)
    console.print(nets)


def _nets(space: SearchSpace) -> Iterator[tuple[str, Hyperparameters]]:
    if space.initial_configurations:
        yield "trial 0", space.hyperparameters(space.initial_configurations[0])
    yield "smallest", _extreme(space, -1)
    yield "largest", _extreme(space, 1)


def _extreme(space: SearchSpace, sign: int) -> Hyperparameters:
    """Return the configuration with about the most (sign 1) or fewest (sign -1) parameters."""

    def size(values: Mapping[str, Value]) -> int:
        return sign * parameter_count(space.hyperparameters(values).architecture)

    best = max(space.corners(), key=size)
    # A larger kernel has more weights but leaves a smaller map, and so fewer of the next layer's.
    for name in [name for name in best if name.endswith("kernel_size")]:
        best = max(({**best, name: end} for end in space.searched[name].ends()), key=size)
    return space.hyperparameters(best)
