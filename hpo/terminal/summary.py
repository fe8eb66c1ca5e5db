"""The plan of a study before it runs, and its results afterwards."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from rich.console import Console
from rich.table import Table

from hpo.study.record import BASELINE, StudyRecord, candidates, kinds_in_words
from hpo.study.run import StudyRun
from hpo.study.samplers.asha import epochs_in_all
from hpo.study.space.catalogue import Value
from hpo.study.space.search_space import SearchSpace
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import records
from hpo.terminal.commands import study_command
from hpo.terminal.progress import duration, durations
from model.evaluation.intervals import interval
from model.hyperparameters import Architecture, Hyperparameters
from model.net.siamese import parameter_count

_VALIDATION_DRAWINGS = 5_000
"""About as many as there are in Omniglot's ten validation alphabets."""
_DRAWN = 50
"""Random configurations that the mean time of a trial is of."""


def print_results(
    console: Console,
    study: optuna.Study,
    location: StudyLocation,
    data_root: Path | None = None,
) -> None:
    """Print the best five trials and the next commands; nothing if there is none to choose."""
    chosen = candidates(records(study))
    if not chosen:
        return
    best = chosen[:5]
    of = f"{len(chosen)} {kinds_in_words(chosen)}"
    table = Table(title=f"Study {location.name}: top {len(best)} of {of} trials")
    for heading in ("trial", "one-shot, % [95 %]", "verification", "epoch", "parameters", "time"):
        table.add_column(heading, justify="right")
    record = StudyRecord.of(study)
    asked = (record.config or {}).get("validation.trials")
    for trial in best:
        table.add_row(
            str(trial.number),
            _with_interval(trial.accuracy or 0.0, asked),
            _or_dash(trial.verification_accuracy, ".1%"),
            _or_dash(trial.best_epoch, "") + f" of {trial.epochs}" * trial.paused,
            _or_dash(trial.parameters, ","),
            duration(trial.seconds),
        )
    console.print(table)
    if (baseline := record.baseline) is not None:
        console.print(f"Baseline on the same validation trials, {BASELINE}: {baseline:.1%}.")
    if asked:
        console.print(f"Intervals over other trials of the same alphabets, {asked:,} as here.")
    console.print("Next:")
    for command in next_commands(location, data_root):
        console.print(f"  {command}")


def _with_interval(accuracy: float, trials: int | None) -> str:
    if not trials:
        return f"{accuracy:.1%}"
    _, low, high = interval([accuracy], trials)
    return f"{100 * accuracy:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def next_commands(location: StudyLocation, data_root: Path | None = None) -> list[str]:
    """Return the commands for a study that has results."""
    return [study_command(name, location, data_root) for name in ("dashboard", "fit", "report")]


def print_plan(console: Console, run: StudyRun) -> None:
    """Print what would run: data, budget, search space, nets and their time per trial."""
    config = run.config
    budget, search = config.budget, config.search
    for label, text in (
        ("data", data_line(run)),
        ("search", f"{search.trials} trials, sampler {search.sampler}, pruner {search.pruner}"),
        (
            "budget",
            f"at most {budget.epochs} epochs of {budget.pairs_per_epoch:,} pairs per trial, "
            f"early stopping after {budget.patience} without improvement",
        ),
    ):
        console.print(f"{label:>7}: {text}")
    space = config.space()
    table = Table(title="Search space")
    table.add_column("parameter")
    table.add_column("values")
    for name, specification in space.searched.items():
        table.add_row(name, str(specification))
    console.print(table)

    _print_costs(console, run)


def data_line(run: StudyRun) -> str:
    """Return the study's data set, where it comes from, and what of it is used how.

    Raises:
        DataError: the folder of the data sets is not there.
    """
    from data.sources.table import described

    data = run.config.data
    return (
        f"{described(data.dataset, run.data_root, data.background)}; "
        f"{data.image_size} px, background {data.background}"
    )


def _print_costs(console: Console, run: StudyRun) -> None:
    """Print what a trial of a few nets takes, and the study in all."""
    config, space = run.config, run.config.space()
    nets = [(label, found, _seconds(found, run)) for label, found in _nets(space)]
    known = [seconds for _, _, seconds in nets if seconds is not None]
    shown = iter(durations(known))
    table = Table(title=f"Time of a trial on this {run.device}")
    for heading in ("net", "parameters", "time per trial"):
        table.add_column(heading, justify="right")
    for label, found, seconds in nets:
        count = parameter_count(found.architecture)
        cost = "not enough memory" if seconds is None else next(shown)
        table.add_row(label, f"{count:,}", cost)
    console.print(table)
    if len(known) < len(nets):
        return
    number, rungs = config.search.trials, config.rungs()
    seconds, how = number * _mean_seconds(run, nets[-2:]), "without early stopping and pruning"
    if len(rungs) > 1:
        seconds *= epochs_in_all(number, rungs) / (number * rungs[-1])
        after = ", ".join(map(str, rungs[:-1]))
        how = f"at most the best third going on after each of epochs {after}"
    console.print(f"Total: about {duration(seconds)} for {number} trials by one worker, {how}.")


def _seconds(hyperparameters: Hyperparameters, run: StudyRun) -> float | None:
    """Return what a trial takes, None if there is not enough memory for it."""
    from model.training.cost import estimate_seconds

    asked = run.config.validation
    drawings = asked.trials * (asked.way + 1) + 2 * asked.verification_pairs
    drawings = min(drawings, _VALIDATION_DRAWINGS)  # each is embedded once
    budget = run.config.training_budget()
    try:
        seconds = estimate_seconds(hyperparameters, budget, run.device, drawings)
        return min(seconds, budget.seconds or seconds)
    except (MemoryError, RuntimeError):
        return None


def _mean_seconds(run: StudyRun, ends: Sequence[tuple[str, Hyperparameters, Any]]) -> float:
    """Return the mean time of a trial, of random ones, between two nets whose times are known."""
    import numpy as np

    from model.training.cost import training_flops_per_pair, within_cost

    space, budget = run.config.space(), run.config.training_budget()

    def cost(net: Architecture) -> tuple[float, int]:
        return training_flops_per_pair(net), within_cost(budget, net).pairs_per_epoch

    known = []
    for _, found, seconds in ends:
        flops, pairs = cost(found.architecture)
        known.append((flops, seconds / pairs))
    flops_of, seconds_of = zip(*sorted(known), strict=True)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [cost(space.suggest(study.ask()).architecture) for _ in range(_DRAWN)]
    per_pair = np.interp([flops for flops, _ in drawn], flops_of, seconds_of)
    return float(np.mean(per_pair * [pairs for _, pairs in drawn]))


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
