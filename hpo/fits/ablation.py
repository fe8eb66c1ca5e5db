"""An ablation: what each change from the first initial configuration to a trial's is worth."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpo.fits.final import MINUTES, MOST_FITS
from hpo.results.ablation import PICTURE, RESULT, Ablation, Step
from hpo.results.accuracy import scopes
from hpo.study.errors import refuse_outside
from hpo.study.run import StudyRun


@dataclass(frozen=True, kw_only=True)
class AblationPlan:
    """Which configurations to fit, and for how long.

    Attributes:
        trial: the trial whose configuration comes last; None for the study's best. An initial
            configuration needs no search, as in a final fit.
        minutes: length of each fit, about.
        seeds: fits of each configuration.

    Raises:
        ConfigError: a number is none that can be.
    """

    trial: int | None = None
    minutes: float = 2.0
    seeds: int = 3

    def __post_init__(self) -> None:
        refuse_outside(0, 2**31 - 1, trial=self.trial)
        refuse_outside(1, MOST_FITS, seeds=self.seeds)
        refuse_outside(*MINUTES, minutes=self.minutes)


def ablation(
    run: StudyRun, plan: AblationPlan | None = None, dataset: str | None = None
) -> list[Step]:
    """Fit and test the configurations between the study's first initial one and a trial's.

    First one change is made after another, from the one to the other; then, from the trial's, one
    at a time is undone: what a change is worth depends on those that are there already.
    Finished fits are loaded, begun ones resumed. Nothing is selected on test results.
    ``dataset`` is where the study's data is now, None for where it was last found.

    Raises:
        StudyError: the study is not there, has no such trial, or no initial configuration.
        DataError: its data cannot be had.
    """
    from data.files.atomic import write_bytes
    from hpo.fits.changes import one_change_at_a_time, one_change_undone
    from hpo.fits.evaluation import net_answers, widest
    from hpo.fits.fitter import Fitter, TrainedNet
    from hpo.fits.held_out import fresh_trials, load_benchmark
    from hpo.fits.selection import configuration, open_to_fit
    from hpo.results.answers import accuracies
    from hpo.results.plots.ablation import ladder
    from hpo.results.plots.style import save
    from hpo.study.errors import StudyError
    from hpo.study.open import known_identity, remember_data
    from hpo.study.provenance import versions
    from hpo.study.record import best_trials, trial_numbered
    from hpo.study.storage.lock import folder_lock
    from hpo.terminal.fit_progress import FitProgress
    from hpo.terminal.progress import console, reading
    from hpo.training.checkpoints import Checkpoints
    from hpo.training.data import load_data
    from hpo.training.time_budget import fit_to_time
    from model.evaluation.scores import one_shot_accuracy

    plan = plan or AblationPlan()
    study, run = open_to_fit(run, plan.trial, dataset)
    config, location = run.config, run.location
    space = config.space()
    starts = space.initial_configurations
    if not starts:
        raise StudyError(
            f"study {location.name} has no [[start]] for the ablation to begin with; add one"
        )
    number, start = plan.trial, starts[0]
    end = best_trials(study)[0] if number is None else trial_numbered(study, number, starts)
    configuration(end, space)  # refused here, before anything is trained
    made = one_change_at_a_time(space, start, end.params)
    steps = [*made, *one_change_undone(space, start, end.params)]
    folder, output = location.folder / f"ablation-{end.number}", console()
    with reading(output) as read:
        inputs = load_data(run, read)
    remember_data(study, run, inputs.name, inputs.digest, inputs.path)
    fitter = Fitter(inputs, known_identity(study, config), Checkpoints(folder / "checkpoints"))
    fresh = fresh_trials(run, 0)
    results: list[Step] = []
    if len(made) == 1:
        output.print(
            f"Trial {end.number} is the first [[start]] of study {location.name} itself, so "
            "there is no change to fit, only the start; --trial names another",
            markup=False,
        )

    def fits(label: str, values: Mapping[str, Any]) -> list[TrainedNet]:
        hyperparameters = space.hyperparameters(values)
        key = json.dumps([hyperparameters.identity(), plan.minutes], sort_keys=True)
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        file = fitter.checkpoints.folder / f"budget-{digest}.json"
        budget = config.final_budget()
        budget = fit_to_time(inputs, hyperparameters, budget, 60 * plan.minutes, file)
        return [
            fitter.fit(hyperparameters, budget, n, progress(f"{label}, seed {n}", budget.epochs))
            for n in range(plan.seeds)
        ]

    with folder_lock(folder), FitProgress(output, plan.seeds * len(steps)) as progress:
        fitted = [fits(label, values) for label, values in steps]
        # The test alphabets are read after everything is trained.
        full, _ = load_benchmark(run)
        tests = full.at(config.data.image_size, run.device)
        most = widest(tests)
        kept = tuple(
            task
            for task in tests.tasks
            if task.protocol == "official_runs"
            or (task.protocol == "n_way" and task.trials.way == most)
        )
        tests = replace(tests, tasks=kept)
        for (label, values), trained in zip(steps, fitted, strict=True):
            nets = [fit.net(run.device) for fit in trained]
            answers, _ = net_answers(nets, tests, inputs.validation)
            results.append(
                Step(
                    change=label,
                    undone=len(results) >= len(made),
                    parameters=values,
                    seeds=[fit.seed for fit in trained],
                    pairs=[fit.history[-1].pairs_seen for fit in trained],
                    minutes=sum(fit.seconds for fit in trained) / 60 / len(trained),
                    validation=[one_shot_accuracy(net, fresh) for net in nets],
                    figures=[f for f in accuracies(answers) if f.alphabet is None],
                )
            )
        result = Ablation(study=location.name, trial=end.number, versions=versions(), steps=results)
        write_bytes(folder / RESULT, result.model_dump_json(indent=1).encode())
        save(ladder(results), folder / PICTURE)
    output.print(table(results))
    output.print(f"Written to {folder}")
    return results


def table(steps: Sequence[Step]) -> Any:
    """Return the steps as a table for the terminal."""
    from rich.table import Table

    figures = [figure for step in steps for figure in step.figures]
    made = Table(title=f"One change at a time; 95 % intervals over {scopes(figures)}")
    for heading in ("change", "official runs", "test, all drawers", "validation", "pairs"):
        made.add_column(heading, justify="left" if heading == "change" else "right")
    for i, step in enumerate(steps):
        if step.undone and not steps[i - 1].undone:
            made.add_section()
        by_protocol = {figure.protocol: figure for figure in step.figures}
        shown = [
            f"{100 * f.mean:.1f} [{100 * f.low:.1f}, {100 * f.high:.1f}]" if f else "-"
            for f in (by_protocol.get("official_runs"), by_protocol.get("n_way"))
        ]
        validation = 100 * sum(step.validation) / len(step.validation)
        made.add_row(step.label, *shown, f"{validation:.1f}", f"{max(step.pairs):,}")
    return made
