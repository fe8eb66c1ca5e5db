"""A final fit: choose a trial, fit it over several seeds, test it, write it."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.study.errors import ConfigError, refuse_outside
from hpo.study.run import StudyRun

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from rich.console import Console

    from hpo.fits.fitter import Fitter, TrainedNet
    from hpo.results.metrics import Candidate, Metrics
    from hpo.terminal.fit_progress import FitProgress
    from model.hyperparameters import Budget

MINUTES, MOST_FITS = (0.0001, 525_600), 1000
"""The least and the most minutes of a training, and how often one may be repeated."""


@dataclass(frozen=True, kw_only=True)
class FitPlan:
    """How to fit.

    Attributes:
        top: how many of the best trials are retrained and rescored before one is chosen, in rounds
            of which the best third goes on.
        retrains: trainings of each of them in a round.
        retrain_minutes: length of each training of the last round, about; None for a trial's
            budget. Those of a round before take a third of it.
        seeds: fits of the chosen trial.
        seed: the first of their seeds.
        trial: fit this trial, without choosing. The study's initial configurations are its first
            trials, and can be fitted before any has been run.
        minutes: length of each fit, about; None for the study's own final budget.
        background: Omniglot's background set to train on, None for the study's own.
        ensemble: keep the nets of all seeds that did not collapse, and test them as one, too.

    Raises:
        ConfigError: a number is none that can be.
    """

    top: int = 3
    retrains: int = 1
    retrain_minutes: float | None = None
    seeds: int = 3
    seed: int = 0
    trial: int | None = None
    minutes: float | None = None
    background: str | None = None
    ensemble: bool = False

    def __post_init__(self) -> None:
        refuse_outside(1, 10**9, top=self.top)
        refuse_outside(1, MOST_FITS, seeds=self.seeds, retrains=self.retrains)
        refuse_outside(0, 2**31 - 1, seed=self.seed, trial=self.trial)
        refuse_outside(*MINUTES, minutes=self.minutes, retrain_minutes=self.retrain_minutes)

    @property
    def folder(self) -> str:
        """The name of the fit's folder, in the study's own."""
        name = "final" if self.trial is None else f"final-trial-{self.trial}"
        return name if self.background is None else f"{name}-{self.background}"

    def retrain_seeds(self) -> Sequence[int]:
        """Return the seeds of the candidates' trainings, which no fit uses."""
        start = self.seed + 1_000_000
        return range(start, start + self.retrains)


def final_fit(run: StudyRun, plan: FitPlan | None = None, dataset: str | None = None) -> "Metrics":
    """Choose a trial, fit it over several seeds, test the fits, and write the results.

    An interrupted fit is resumed, a damaged one done again; one that is complete is only shown. The
    choice sees validation alphabets alone. The test alphabets are read after everything is trained.
    The study may still be running. ``dataset`` is where its data is now, None for where it was last
    found.

    A fit with an ensemble is the same fit with more kept of it: asked for without one, it is only
    shown. One that was complete without is trained anew, except for the choice of the trial.

    Raises:
        ConfigError: an ensemble of a single seed is asked for.
        StudyError: the study is not there, has no trial to fit, another process is fitting it, or
            every seed diverges.
        DataError: its data cannot be had, or is not what the study was trained on.
        OSError: the folder cannot be written.
    """
    from hpo.fits.fitter import Fitter
    from hpo.fits.result import print_figures, print_next
    from hpo.fits.selection import configuration, open_to_fit, rounds
    from hpo.results.fits import complete, replaced
    from hpo.study.errors import StudyError
    from hpo.study.open import known_identity, remember_data
    from hpo.study.record import best_trials, trial_numbered
    from hpo.study.storage.lock import folder_lock
    from hpo.terminal.fit_progress import FitProgress
    from hpo.terminal.progress import console, reading
    from hpo.training.checkpoints import Checkpoints
    from hpo.training.data import final_inputs, load_dataset, study_data

    plan = plan or FitPlan()
    if plan.ensemble and plan.seeds < 2:
        raise ConfigError("an ensemble is of at least two nets; give --seeds 2 or more")
    study, run = open_to_fit(run, plan.trial, dataset)
    if plan.trial is None:
        trials = best_trials(study)[: plan.top]
    else:
        starts = run.config.space().initial_configurations
        trials = [trial_numbered(study, plan.trial, starts)]
    # The study itself stays tied to its own background, if another one is trained on.
    run = replace(run, config=run.config.changed(background=plan.background))
    folder, output = run.location.folder / plan.folder, console()
    with reading(output) as read:
        data = load_dataset(run, read)
    inputs = study_data(data, run)
    if plan.background is None:
        remember_data(study, run, inputs.name, inputs.digest, inputs.path)
    elif inputs.own or not inputs.name.startswith("omniglot"):
        raise StudyError(
            f"--background {plan.background} chooses among Omniglot's alphabets, but the "
            f"study's data is {inputs.name}; leave it out"
        )
    config, identity = run.config, known_identity(study, run.config)
    configurations = [configuration(trial, config.space()).written() for trial in trials]
    # The nets are the same with an ensemble of them and without.
    planned = {name: value for name, value in asdict(plan).items() if name != "ensemble"}
    parts = [identity, inputs.digest, planned, asdict(config.final_budget()), configurations]
    digest = hashlib.sha256(
        json.dumps(parts, sort_keys=True, default=lambda number: number.item()).encode()
    ).hexdigest()
    known = complete(folder, digest)
    lacking = known is not None and plan.ensemble and known.ensemble is None
    if known is not None and not (lacking and sum(not s.collapsed for s in known.seeds) > 1):
        metrics = known
        output.print(f"Fitted already, in {folder}")
        if lacking:
            output.print("It has no ensemble: fewer than two of its seeds did not collapse.")
        if untested := _untested(metrics):
            output.print(
                f"It was not tested on {' or '.join(untested)}, which could not be had then. To "
                f"fit and test again where they can, first remove {folder}"
            )
        _export_again(folder, metrics, 1 / config.validation.way, output)
    else:
        if said := replaced(folder, known):
            output.print(said)
        checkpoints = Checkpoints(folder / "checkpoints")
        fitters = (
            Fitter(inputs, identity, checkpoints),
            Fitter(final_inputs(inputs, data, run), identity, checkpoints),
        )
        if known is not None and all(trial.number != known.trial for trial in trials):
            known = None  # a trial of the same configuration has overtaken it
        number = plan.seeds
        if known is None and len(trials) > 1:
            number += plan.retrains * sum(rounds(len(trials)))
        with folder_lock(folder), FitProgress(output, number) as progress:
            metrics = _fit(run, plan, trials, fitters, folder, digest, known, progress)
            for path in checkpoints.folder.glob("*"):
                path.unlink(missing_ok=True)
            with suppress(OSError):  # it may be a link to another disk
                checkpoints.folder.rmdir()
        output.print(f"Written to {folder}")
    print_figures(output, metrics)
    print_next(output, run, folder)
    return metrics


def _untested(metrics: "Metrics") -> list[str]:
    """Return the tests that go on without their data, as far as the fit lacks them."""
    from hpo.results.published import comparable

    titles = {"official_runs": "the official runs"} if comparable(metrics.data) else {}
    titles["mnist"] = "MNIST"
    tested = {figure.protocol for figure in metrics.figures}
    return [title for protocol, title in titles.items() if protocol not in tested]


def _export_again(folder: Path, metrics: "Metrics", chance: float, output: "Console") -> None:
    """Write those files again that others use, as far as they are missing or damaged."""
    from hpo.fits.result import export
    from hpo.results.fits import damaged_exports

    for name in damaged_exports(folder, metrics):
        try:
            export(folder, metrics, chance, [name])
        except OSError as error:
            why = error.strerror or error
            output.print(f"Missing or damaged, and cannot be written: {name} ({why})")
        else:
            output.print(f"Missing or damaged, and written again: {name}")


def _fit(
    run: StudyRun,
    plan: FitPlan,
    trials: "Sequence[FrozenTrial]",
    fitters: "tuple[Fitter, Fitter]",
    folder: Path,
    digest: str,
    known: "Metrics | None",
    progress: "FitProgress",
) -> "Metrics":
    """Choose among ``trials``, fit the chosen one, test the fits and write them to ``folder``.

    ``fitters`` are that of the candidates and that of the fits; ``known`` is the same fit, complete
    but for its ensemble, whose choice stands.
    """
    from hpo.fits.held_out import fresh_trials
    from hpo.fits.result import FinalFit
    from hpo.fits.selection import configuration, race
    from hpo.study.errors import StudyError
    from hpo.terminal.progress import duration
    from hpo.training.time_budget import fit_to_time
    from model.evaluation.scores import one_shot_accuracy

    config, (chooser, fitter) = run.config, fitters
    inputs, space = fitter.inputs, config.space()

    def budget_of(trial: "FrozenTrial", minutes: float | None, otherwise: "Budget") -> "Budget":
        if minutes is None:
            return otherwise
        kept = folder / f"checkpoints/budget-{digest[:16]}-{trial.number}-{minutes:g}.json"
        hyperparameters = configuration(trial, space)
        return fit_to_time(inputs, hyperparameters, config.final_budget(), 60 * minutes, kept)

    fresh = fresh_trials(run, plan.seed)
    chosen, seconds = trials[0], 0.0
    candidates: list[Candidate] = []
    if known is not None:
        candidates = known.selection
        seconds = 60 * known.minutes - sum(seed.seconds for seed in known.seeds)
    elif len(trials) > 1:
        candidates, seconds = race(
            trials,
            space,
            chooser,
            [budget_of(t, plan.retrain_minutes, config.training_budget()) for t in trials],
            lambda later: fresh_trials(run, plan.seed, later) if later else fresh,
            plan.retrain_seeds(),
            progress,
        )
    if candidates:
        chosen = next(t for t in trials if t.number == candidates[0].trial)
    hyperparameters = configuration(chosen, space)
    budget = budget_of(chosen, plan.minutes, config.final_budget())
    progress.say(
        f"fitting trial {chosen.number}: {plan.seeds} x at most {budget.epochs} epochs "
        f"of {budget.pairs_per_epoch:,} pairs"
    )
    fits: list[TrainedNet] = []
    validated: list[float | None] = []
    for seed in range(plan.seed, plan.seed + plan.seeds):
        tell = progress(f"trial {chosen.number}, seed {seed}", budget.epochs)
        fit = fitter.fit(hyperparameters, budget, seed, tell)
        fits.append(fit)
        if fit.retry_of is not None:
            again = "; so did the retry" if fit.collapsed else ""
            progress.say(f"seed {seed} collapsed, retried with seed {fit.seed}{again}")
        if inputs.keep == "best":
            validated.append(one_shot_accuracy(fit.net(run.device), fresh))
            scored = f"{validated[-1]:.1%} of {len(fresh):,} validation trials, "
        else:  # they are of alphabets that it trained on
            validated.append(None)
            scored = ""
        progress.say(
            f"seed {fit.seed}: {scored}"
            f"epoch {fit.best_epoch} of {len(fit.history)}, {duration(fit.seconds)}"
        )
    if not any(fit.usable for fit in fits):
        raise StudyError(
            f"trial {chosen.number} diverges with every seed, which leaves no net to test; fit "
            "another with --trial"
        )
    result = FinalFit(
        run=run,
        trial=chosen,
        title="best" if plan.trial is None else f"trial {plan.trial}",
        candidates=candidates,
        fits=fits,
        validated=validated,
        seconds=seconds + sum(fit.seconds for fit in fits),
        inputs=inputs,
        digest=digest,
        ensemble=plan.ensemble,
        fresh=fresh if inputs.keep == "best" else None,
    )
    return result.test_and_write(folder, progress)
