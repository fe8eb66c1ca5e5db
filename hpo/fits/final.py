"""A final fit: a trial chosen, fitted over several seeds, tested, written."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.study.config import StudyConfig
from hpo.study.storage.location import StudyLocation

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from hpo.results.metrics import Candidate, Metrics
    from hpo.terminal.fit_progress import FitProgress
    from hpo.training.resumable import Fitter
    from model.hyperparameters import Budget


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to fit.

    Attributes:
        top: how many of the best trials are trained and scored anew before one is chosen.
        retrains: how often each of them is.
        retrain_minutes: how long each time, about; None for as long as a trial.
        seeds: how many times the chosen one is fitted.
        seed: the first of those seeds.
        trial: fit this trial, without choosing.
        minutes: how long each fit takes, about; None for the study's own final budget.
        background: the alphabets to learn from, if others than the study's own.
    """

    top: int = 3
    retrains: int = 1
    retrain_minutes: float | None = None
    seeds: int = 3
    seed: int = 0
    trial: int | None = None
    minutes: float | None = None
    background: str | None = None

    @property
    def folder(self) -> str:
        """The name of the folder, in the study's own, that the fit is written to."""
        name = "final" if self.trial is None else f"final-trial-{self.trial}"
        return name if self.background is None else f"{name}-{self.background}"

    def fit_seeds(self) -> Sequence[int]:
        """Return the seeds of the fits."""
        return range(self.seed, self.seed + self.seeds)

    def retrain_seeds(self) -> Sequence[int]:
        """Return the seeds of the candidates' retrainings, which no fit uses."""
        start = self.seed + 1_000_000
        return range(start, start + self.retrains)


def final_fit(
    config: StudyConfig,
    location: StudyLocation,
    plan: Plan | None = None,
    *,
    dataset: str | None = None,
    data_root: Path | None = None,
    device: str = "cpu",
) -> "Metrics":
    """Choose a trial, fit it over several seeds, test the fits, and write it all down.

    What was finished or begun before is not done again; a fit that is complete is only shown.
    The choice sees validation alphabets alone. The test alphabets are read after all is trained.

    Args:
        definition: the study's.
        place: where it is kept; it may still be running.
        plan: how to fit.
        dataset: where the study's data is now, None for where it was last found.
        data_root: where data sets lie, None for the usual places.
        device: what to train on.

    Raises:
        StudyError: the study is not there, or has no trial to fit.
        DataError: its data cannot be had, or is not what the study learnt from.
        OSError: the folder cannot be written.
    """
    from hpo.fits.result import complete, print_figures
    from hpo.study.errors import StudyError
    from hpo.study.open import known_identity, open_as_run, remember_data
    from hpo.study.trials import complete_trials, trial_numbered
    from hpo.terminal.fit_progress import FitProgress
    from hpo.terminal.progress import console, reading
    from hpo.training.checkpoints import Checkpoints
    from hpo.training.data import load_data
    from hpo.training.resumable import Fitter

    plan = plan or Plan()
    study, config = open_as_run(config, location, dataset)
    if plan.trial is None:
        trials = complete_trials(study)[: plan.top]
    else:
        trials = [trial_numbered(study, plan.trial)]
    learnt_from = config.changed(background=plan.background)
    folder, output = location.folder / plan.folder, console()
    with reading(output) as read:
        inputs = load_data(learnt_from, data_root, device, read)
    if plan.background is None:
        path = inputs.own.path if inputs.own else None
        remember_data(study, location, config, inputs.name, inputs.digest, path)
    elif inputs.own or not inputs.name.startswith("omniglot"):
        raise StudyError(
            f"--background {plan.background} chooses among Omniglot's alphabets, but the "
            f"study's data is {inputs.name}; leave it out"
        )
    config, identity = learnt_from, known_identity(study, learnt_from)
    configurations = [repr(config.space().hyperparameters(t.params)) for t in trials]
    digest = hashlib.sha256(
        json.dumps(
            [
                identity,
                inputs.digest,
                asdict(plan),
                asdict(config.final_budget()),
                configurations,
            ],
            sort_keys=True,
        ).encode()
    ).hexdigest()
    metrics = complete(folder, digest)
    if metrics is not None:
        output.print(f"Fitted already, in {folder}", markup=False, highlight=False)
    else:
        checkpoints = Checkpoints(folder / "checkpoints")
        fitter = Fitter(inputs, identity, device, checkpoints)
        number = plan.seeds + (len(trials) * plan.retrains if len(trials) > 1 else 0)
        with FitProgress(output, number) as progress:
            metrics = _fit(config, plan, trials, fitter, folder, digest, data_root, progress)
        for path in checkpoints.folder.glob("*"):
            path.unlink(missing_ok=True)
        output.print(f"Written to {folder}", markup=False, highlight=False)
    print_figures(output, metrics)
    return metrics


def _fit(
    config: StudyConfig,
    plan: Plan,
    trials: "Sequence[FrozenTrial]",
    fitter: "Fitter",
    folder: Path,
    digest: str,
    data_root: Path | None,
    progress: "FitProgress",
) -> "Metrics":
    """Choose among ``trials``, fit the chosen one, test the fits and write them to ``folder``."""
    from hpo.fits.held_out import fresh_trials
    from hpo.fits.result import FinalFit
    from hpo.fits.selection import choose
    from hpo.terminal.progress import duration
    from model.evaluation.scores import one_shot_accuracy

    space = config.space()

    def fit_to_time(trial: "FrozenTrial", minutes: float | None, otherwise: "Budget") -> "Budget":
        if minutes is None:
            return otherwise
        kept = folder / f"checkpoints/budget-{digest[:16]}-{trial.number}-{minutes:g}.json"
        hyperparameters = space.hyperparameters(trial.params)
        return fitter.fit_to_time(hyperparameters, config.final_budget(), 60 * minutes, kept)

    fresh = fresh_trials(config, data_root, plan.seed, fitter.device)
    chosen, seconds = trials[0], 0.0
    candidates: list[Candidate] = []
    if len(trials) > 1:
        candidates, seconds = choose(
            trials,
            space,
            fitter,
            [fit_to_time(t, plan.retrain_minutes, config.training_budget()) for t in trials],
            fresh,
            plan.retrain_seeds(),
            progress,
        )
        chosen = next(t for t in trials if t.number == candidates[0].trial)
    hyperparameters = space.hyperparameters(chosen.params)
    budget = fit_to_time(chosen, plan.minutes, config.final_budget())
    progress.say(
        f"fitting trial {chosen.number}: {plan.seeds} x at most {budget.epochs} epochs "
        f"of {budget.pairs_per_epoch:,} pairs"
    )
    fits, validated = [], []
    for seed in plan.fit_seeds():
        tell = progress(f"trial {chosen.number}, seed {seed}", budget.epochs)
        fit = fitter.fit(hyperparameters, budget, seed, tell)
        fits.append(fit)
        validated.append(one_shot_accuracy(fit.net(fitter.device), fresh))
        progress.say(
            f"seed {seed}: {validated[-1]:.1%} of {len(fresh):,} validation trials, "
            f"epoch {fit.best_epoch} of {len(fit.history)}, {duration(fit.seconds)}"
        )
    result = FinalFit(
        config=config,
        trial=chosen,
        title="best" if plan.trial is None else f"trial {plan.trial}",
        candidates=candidates,
        fits=fits,
        validated=validated,
        seconds=seconds + sum(fit.seconds for fit in fits),
        inputs=fitter.inputs,
        device=fitter.device,
        digest=digest,
    )
    return result.test_and_write(folder, data_root, progress.say)
