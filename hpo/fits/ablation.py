"""An ablation: every configuration from the initial one to a trial's, fitted and tested."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.results.ablation import PICTURE, RESULT, Step
from hpo.study.config import StudyConfig
from hpo.study.space.domains import matching
from hpo.study.storage.location import StudyLocation

if TYPE_CHECKING:
    from hpo.study.space.search_space import SearchSpace
    from hpo.training.resumable import Fit, Fitter

# What is changed together, in this order; a parameter of no group is a change by itself.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "normalisation": ("net.normalisation",),
    "initialisation": ("net.initialisation",),
    "shape": (
        *("net.depth", "net.stride", "net.poolings", "net.padding"),
        *("*.filters", "*.kernel_size", "fc.units"),
    ),
    "optimiser and its rates": (
        *("recipe.optimiser", "recipe.rate_factor", "recipe.schedule"),
        *("*.learning_rate", "*.momentum", "*.l2"),
    ),
    "batches": ("recipe.batch", "recipe.pairs", "recipe.episodes", "recipe.way", "recipe.across"),
    "loss": ("recipe.loss",),
    "embedding and head": ("net.embedding", "net.head"),
    "dropout": ("net.dropout",),
    "rotated alphabets": ("recipe.rotations",),
    "distortions": ("recipe.distortion", "recipe.elastic", "recipe.zoom"),
    "warp": ("recipe.warp",),
    "splices": ("recipe.splice",),
    "centred drawings": ("net.centred",),
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to go.

    Attributes:
        trial: whose configuration is the end of the way; None for the study's best.
        minutes: how long each fit takes, about.
        seeds: fits of each configuration.
    """

    trial: int | None = None
    minutes: float = 2.0
    seeds: int = 3


def one_change_at_a_time(
    space: "SearchSpace", start: Mapping[str, Any], end: Mapping[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """Return the configurations from ``start`` to ``end``, one change at a time, each named.

    A parameter that the start does not have, because it hangs on others, takes its default until
    its own change comes, so that no change brings another with it.
    """
    from hpo.study.space.catalogue import catalogue

    values = {}
    for name, specification in space.searched.items():
        default = catalogue()[name].default
        usable = default is not None and default in specification  # type: ignore[operator]
        values[name] = start.get(name, default if usable else end.get(name, default))
    groups = {label: matching(patterns, space.searched) for label, patterns in GROUPS.items()}
    grouped = {name for names in groups.values() for name in names}
    groups |= {name: [name] for name in space.searched if name not in grouped}
    steps = [("start", space.used(values))]
    for label, names in groups.items():
        values = {**values, **{name: end[name] for name in names if name in end}}
        used = space.used(values)
        if used != steps[-1][1]:
            steps.append((label, used))
    return steps


def ablation(
    config: StudyConfig,
    location: StudyLocation,
    plan: Plan | None = None,
    *,
    dataset: str | None = None,
    data_root: Path | None = None,
    device: str = "cpu",
) -> list[Step]:
    """Fit every configuration from the study's first start to a trial's, and test each.

    What was finished or begun before is not done again. Nothing is chosen on the test figures.

    Args:
        definition: the study's.
        place: where it is kept.
        plan: how to go.
        dataset: where the study's data is now, None for where it was last found.
        data_root: where data sets lie, None for the usual places.
        device: what to train on.

    Raises:
        StudyError: the study is not there, has no such trial, or no start to come from.
        DataError: its data cannot be had.
    """
    from hpo.fits.evaluation import net_figures
    from hpo.fits.held_out import fresh_trials, load_benchmark
    from hpo.results.plots.ablation import ladder
    from hpo.results.plots.style import save
    from hpo.study.errors import StudyError
    from hpo.study.open import known_identity, open_as_run, remember_data
    from hpo.study.trials import complete_trials, trial_numbered
    from hpo.terminal.fit_progress import FitProgress
    from hpo.terminal.progress import console, reading
    from hpo.training.checkpoints import Checkpoints
    from hpo.training.data import load_data
    from hpo.training.resumable import Fitter
    from model.evaluation.scores import one_shot_accuracy
    from model.net.saved import write

    plan = plan or Plan()
    study, config = open_as_run(config, location, dataset)
    space = config.space()
    if not space.initial_configurations:
        raise StudyError(
            f"study {location.name} has no [[start]] to come from; add one to its file"
        )
    number = plan.trial
    end = complete_trials(study)[0] if number is None else trial_numbered(study, number)
    steps = one_change_at_a_time(space, space.initial_configurations[0], end.params)
    folder, output = location.folder / f"ablation-{end.number}", console()
    with reading(output) as read:
        inputs = load_data(config, data_root, device, read)
    path = inputs.own.path if inputs.own else None
    remember_data(study, location, config, inputs.name, inputs.digest, path)
    checkpoints = Checkpoints(folder / "checkpoints")
    fitter = Fitter(inputs, known_identity(study, config), device, checkpoints)
    fresh = fresh_trials(config, data_root, 0, device)
    results = []
    with FitProgress(output, plan.seeds * len(steps)) as progress:
        fitted = [
            _fit(fitter, space, label, values, config, plan, folder, progress)
            for label, values in steps
        ]
        # The test alphabets are read when all is trained.
        full, _ = load_benchmark(config, data_root)
        tests = full.at(config.data.image_size, device)
        widest = max((t.trials.way for t in tests.tasks if t.protocol == "n_way"), default=0)
        kept = tuple(
            task
            for task in tests.tasks
            if task.protocol == "official_runs"
            or (task.protocol == "n_way" and task.trials.way == widest)
        )
        tests = replace(tests, tasks=kept)
        for (label, values), fits in zip(steps, fitted, strict=True):
            nets = [fit.net(device) for fit in fits]
            figures, _ = net_figures(nets, tests, inputs.validation)
            results.append(
                Step(
                    change=label,
                    parameters=values,
                    seeds=[fit.seed for fit in fits],
                    pairs=[fit.history[-1].pairs_seen for fit in fits],
                    minutes=sum(fit.seconds for fit in fits) / 60 / len(fits),
                    validation=[one_shot_accuracy(net, fresh) for net in nets],
                    figures=[f for f in figures if f.alphabet is None],
                )
            )
    write(folder / RESULT, json.dumps([step.model_dump() for step in results], indent=1).encode())
    save(ladder(results), folder / PICTURE)
    output.print(table(results))
    output.print(f"Written to {folder}", markup=False, highlight=False)
    return results


def _fit(
    fitter: "Fitter",
    space: "SearchSpace",
    label: str,
    values: Mapping[str, Any],
    config: StudyConfig,
    plan: Plan,
    folder: Path,
    progress: Any,
) -> "list[Fit]":
    hyperparameters = space.hyperparameters(values)
    key = json.dumps([hyperparameters.identity(), plan.minutes], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    budget = fitter.fit_to_time(
        hyperparameters,
        config.final_budget(),
        60 * plan.minutes,
        folder / "checkpoints" / f"budget-{digest}.json",
    )
    return [
        fitter.fit(hyperparameters, budget, seed, progress(f"{label}, seed {seed}", budget.epochs))
        for seed in range(plan.seeds)
    ]


def table(steps: Sequence[Step]) -> Any:
    """Return the steps as a table of rich: each change, and what was reached with it."""
    from rich.table import Table

    made = Table(title="One change at a time")
    for heading in ("change", "official runs", "test, all drawers", "validation", "pairs"):
        made.add_column(heading, justify="left" if heading == "change" else "right")
    for step in steps:
        by_protocol = {figure.protocol: figure for figure in step.figures}
        shown = [
            f"{100 * f.mean:.1f} [{100 * f.low:.1f}, {100 * f.high:.1f}]" if f else "-"
            for f in (by_protocol.get("official_runs"), by_protocol.get("n_way"))
        ]
        validation = 100 * sum(step.validation) / len(step.validation)
        made.add_row(step.change, *shown, f"{validation:.1f}", f"{max(step.pairs):,}")
    return made
