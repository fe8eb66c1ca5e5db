"""An ablation: from the first initial configuration to a trial's, one change at a time."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpo.results.ablation import PICTURE, RESULT, Step
from hpo.study.run import StudyRun
from hpo.study.space.domains import matching

if TYPE_CHECKING:
    from hpo.fits.fitter import Fitter, TrainedNet
    from hpo.study.space.search_space import SearchSpace
    from hpo.terminal.fit_progress import FitProgress
    from model.hyperparameters import Hyperparameters

# The parameters that change together, in this order; one of no group changes by itself.
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
class AblationPlan:
    """Which configurations to fit, and for how long.

    Attributes:
        trial: the trial whose configuration comes last; None for the study's best.
        minutes: length of each fit, about.
        seeds: fits of each configuration.
    """

    trial: int | None = None
    minutes: float = 2.0
    seeds: int = 3


def one_change_at_a_time(
    space: "SearchSpace", start: Mapping[str, Any], end: Mapping[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """Return the configurations from ``start`` to ``end``, one change at a time, each named.

    A conditional parameter that the start does not have takes its default until its own change, so
    that no change implies another.
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
    run: StudyRun, plan: AblationPlan | None = None, dataset: str | None = None
) -> list[Step]:
    """Fit every configuration from the study's first initial one to a trial's, and test each.

    Finished fits are loaded, begun ones resumed. Nothing is selected on test results.

    Args:
        run: the study's.
        plan: which configurations to fit, and for how long.
        dataset: where the study's data is now, None for where it was last found.

    Raises:
        StudyError: the study is not there, has no such trial, or no initial configuration.
        DataError: its data cannot be had.
    """
    from data.files.atomic import write_bytes
    from hpo.fits.evaluation import net_figures
    from hpo.fits.fitter import Fitter
    from hpo.fits.held_out import fresh_trials, load_benchmark
    from hpo.results.plots.ablation import ladder
    from hpo.results.plots.style import save
    from hpo.study.errors import StudyError
    from hpo.study.open import known_identity, open_as_run, remember_data
    from hpo.study.storage.lock import folder_lock
    from hpo.study.trials import complete_trials, trial_numbered
    from hpo.terminal.fit_progress import FitProgress
    from hpo.terminal.progress import console, reading
    from hpo.training.checkpoints import Checkpoints
    from hpo.training.data import load_data
    from model.evaluation.scores import one_shot_accuracy

    plan = plan or AblationPlan()
    study, run = open_as_run(run, dataset)
    config, location = run.config, run.location
    space = config.space()
    if not space.initial_configurations:
        raise StudyError(
            f"study {location.name} has no [[start]] for the ablation to begin with; add one"
        )
    number = plan.trial
    end = complete_trials(study)[0] if number is None else trial_numbered(study, number)
    steps = one_change_at_a_time(space, space.initial_configurations[0], end.params)
    folder, output = location.folder / f"ablation-{end.number}", console()
    with reading(output) as read:
        inputs = load_data(run, read)
    remember_data(study, run, inputs.name, inputs.digest, inputs.path)
    fitter = Fitter(inputs, known_identity(study, config), Checkpoints(folder / "checkpoints"))
    fresh = fresh_trials(run, 0)
    results = []
    with folder_lock(folder), FitProgress(output, plan.seeds * len(steps)) as progress:
        fitted = [
            _fit(fitter, label, space.hyperparameters(values), run, plan, progress)
            for label, values in steps
        ]
        # The test alphabets are read after everything is trained.
        full, _ = load_benchmark(run)
        tests = full.at(config.data.image_size, run.device)
        widest = max((t.trials.way for t in tests.tasks if t.protocol == "n_way"), default=0)
        kept = tuple(
            task
            for task in tests.tasks
            if task.protocol == "official_runs"
            or (task.protocol == "n_way" and task.trials.way == widest)
        )
        tests = replace(tests, tasks=kept)
        for (label, values), fits in zip(steps, fitted, strict=True):
            nets = [fit.net(run.device) for fit in fits]
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
        text = json.dumps([step.model_dump() for step in results], indent=1)
        write_bytes(folder / RESULT, text.encode())
        save(ladder(results), folder / PICTURE)
    output.print(table(results))
    output.print(f"Written to {folder}", markup=False, highlight=False)
    return results


def _fit(
    fitter: "Fitter",
    label: str,
    hyperparameters: "Hyperparameters",
    run: StudyRun,
    plan: AblationPlan,
    progress: "FitProgress",
) -> "list[TrainedNet]":
    from hpo.training.time_budget import fit_to_time

    key = json.dumps([hyperparameters.identity(), plan.minutes], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    file = fitter.checkpoints.folder / f"budget-{digest}.json"
    budget = run.config.final_budget()
    budget = fit_to_time(fitter.inputs, hyperparameters, budget, 60 * plan.minutes, file)
    return [
        fitter.fit(hyperparameters, budget, seed, progress(f"{label}, seed {seed}", budget.epochs))
        for seed in range(plan.seeds)
    ]


def table(steps: Sequence[Step]) -> Any:
    """Return the steps as a table for the terminal."""
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
