"""What a study is, before it runs, and what came of it, after."""

from collections.abc import Iterator, Mapping

import optuna
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table

from hpo.study.config import StudyConfig
from hpo.study.open import BASELINE
from hpo.study.space.catalogue import Value
from hpo.study.space.search_space import SearchSpace
from hpo.study.storage.location import StudyLocation
from hpo.terminal.progress import duration
from model.hyperparameters import Hyperparameters
from model.net.siamese import parameter_count


def print_results(console: Console, study: optuna.Study, location: StudyLocation) -> None:
    """Print the best five trials and the commands to type next."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best = sorted(complete, key=lambda trial: -(trial.value or 0.0))[:5]
    table = Table(title=f"Study {location.name}: the best {len(best)} of {len(complete)} trials")
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
    if (baseline := study.user_attrs.get(BASELINE)) is not None:
        console.print(
            f"On the same validation trials {BASELINE} scores {baseline:.1%}.", highlight=False
        )
    console.print("Next:", highlight=False)
    for command in next_commands(location):
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


def next_commands(location: StudyLocation) -> list[str]:
    """Return what to type once a study has results."""
    options = location.options()
    return [
        f"python -m hpo.dashboard {options}",
        f"python -m hpo.final_fit {options}",
        f"python -m hpo.report {options}",
    ]


def print_plan(console: Console, config: StudyConfig, total: int, device: str) -> None:
    """Print what would run: the space, the budget, the nets, the time of a trial."""
    from model.training.cost import estimate_seconds

    budget, search, data = config.budget, config.search, config.data
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
    space = config.space()
    table = Table(title="What is searched")
    table.add_column("parameter")
    table.add_column("values")
    for name, specification in space.searched.items():
        table.add_row(name, str(specification))
    console.print(table)

    nets = Table(title=f"The nets, and a trial's longest time here on {device}")
    for heading in ("net", "parameters", "time of a trial"):
        nets.add_column(heading, justify="right")
    for label, hyperparameters in _nets(space):
        try:
            seconds = estimate_seconds(hyperparameters, config.training_budget(), device)
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
    """Return the configuration of the most (sign 1) or fewest (sign -1) parameters, or nearly."""

    def size(values: Mapping[str, Value]) -> int:
        return sign * parameter_count(space.hyperparameters(values).architecture)

    best = max(space.corners(), key=size)
    # A larger kernel has more weights but leaves a smaller map, and so fewer of the next layer's.
    for name in [name for name in best if name.endswith("kernel_size")]:
        best = max(({**best, name: end} for end in space.searched[name].ends()), key=size)
    return space.hyperparameters(best)
