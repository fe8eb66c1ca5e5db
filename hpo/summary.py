"""What a study is, before it runs, and what came of it, after."""

import shlex
import time
from collections.abc import Iterator

import optuna
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table

from hpo.definition import StudyDefinition
from hpo.place import Place
from hpo.progress import duration
from model.hyperparameters import Architecture, Hyperparameters
from model.net import parameter_count


def print_results(console: Console, study: optuna.Study, place: Place) -> None:
    """Print the best five trials and the commands to type next."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best = sorted(complete, key=lambda trial: -(trial.value or 0.0))[:5]
    table = Table(title=f"Study {place.name}: the best {len(best)} of {len(complete)} trials")
    for heading in ("trial", "one-shot", "verification", "epoch", "parameters", "time"):
        table.add_column(heading, justify="right")
    for trial in best:
        attributes = trial.user_attrs
        table.add_row(
            str(trial.number),
            f"{trial.value:.1%}",
            f"{attributes['verification_accuracy']:.1%}",
            str(attributes["best_epoch"]),
            f"{attributes['parameters']:,}",
            duration(attributes["seconds"]),
        )
    if not best:
        return
    console.print(table)
    console.print("Next:", highlight=False)
    for command in next_commands(place):
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


def next_commands(place: Place) -> list[str]:
    """Return what to type once a study has results."""
    options = place.options()
    return [
        shlex.join(["optuna-dashboard", place.shown_url]),
        f"python -m hpo.final_fit {options}",
        f"python -m hpo.report {options}",
    ]


def print_plan(console: Console, definition: StudyDefinition, total: int, device: str) -> None:
    """Print what would run: the space, the budget, the nets, the time of a trial."""
    from model.cost import estimate_seconds

    budget, search, data = definition.budget, definition.search, definition.data
    for label, text in (
        ("data", f"{data.dataset}, {data.image_size} px, background {data.background}"),
        ("search", f"{total} trials, sampler {search.sampler}, pruner {search.pruner}"),
        (
            "budget",
            f"at most {budget.epochs} epochs of {budget.pairs_per_epoch:,} pairs a trial, "
            f"{budget.patience} without improvement",
        ),
    ):
        console.print(f"{label:>7}: {text}", markup=False, highlight=False)
    space = definition.space()
    table = Table(title="What is searched")
    table.add_column("parameter")
    table.add_column("values")
    for name, specification in space.searched.items():
        table.add_row(name, str(specification))
    console.print(table)

    nets = Table(title=f"The nets, and a trial's longest time here on {device}")
    for heading in ("net", "parameters", "time of a trial"):
        nets.add_column(heading, justify="right")
    for label, hyperparameters in _nets(definition):
        started = time.perf_counter()
        try:
            seconds = estimate_seconds(hyperparameters, definition.training_budget(), device)
            cost = duration(seconds)
        except (MemoryError, RuntimeError):
            cost = f"no memory ({time.perf_counter() - started:.0f} s)"
        count = parameter_count(hyperparameters.architecture)
        nets.add_row(label, f"{count:,}", cost)
    console.print(nets)


def _nets(definition: StudyDefinition) -> Iterator[tuple[str, Hyperparameters]]:
    space = definition.space()
    if space.starts:
        yield "trial 0", space.hyperparameters(space.starts[0])
    corners = [space.hyperparameters(corner) for corner in space.corners()]

    def size(hyperparameters: Hyperparameters) -> int:
        architecture: Architecture = hyperparameters.architecture
        return parameter_count(architecture)

    yield "smallest", min(corners, key=size)
    yield "largest", max(corners, key=size)
