"""Fit a study's best configuration at full length, and test it: ``python -m hpo.final_fit``."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpo import options
from hpo.definition import StudyDefinition
from hpo.place import Place

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from hpo.fit_progress import FitProgress
    from hpo.fitting import Fitter
    from hpo.metrics import Candidate, Metrics
    from model.hyperparameters import Budget

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


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
    definition: StudyDefinition,
    place: Place,
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
    from hpo.checkpoints import Checkpoints
    from hpo.errors import StudyError
    from hpo.fit_progress import FitProgress
    from hpo.fit_result import complete, print_figures
    from hpo.fitting import Fitter
    from hpo.inputs import load_inputs
    from hpo.own_data import reading
    from hpo.progress import console
    from hpo.selection import complete_trials, trial_numbered
    from hpo.study import known_identity, open_as_run, remember_data

    plan = plan or Plan()
    study, definition = open_as_run(definition, place, dataset)
    if plan.trial is None:
        trials = complete_trials(study)[: plan.top]
    else:
        trials = [trial_numbered(study, plan.trial)]
    learnt_from = definition.changed(background=plan.background)
    folder, output = place.folder / plan.folder, console()
    with reading(output) as read:
        inputs = load_inputs(learnt_from, data_root, device, read)
    if plan.background is None:
        path = inputs.own.path if inputs.own else None
        remember_data(study, place, definition, inputs.name, inputs.digest, path)
    elif inputs.own or not inputs.name.startswith("omniglot"):
        raise StudyError(
            f"--background {plan.background} chooses among Omniglot's alphabets, but the "
            f"study's data is {inputs.name}; leave it out"
        )
    definition, identity = learnt_from, known_identity(study, learnt_from)
    configurations = [repr(definition.space().hyperparameters(t.params)) for t in trials]
    digest = hashlib.sha256(
        json.dumps(
            [
                identity,
                inputs.digest,
                asdict(plan),
                asdict(definition.final_budget()),
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
            metrics = _fit(definition, plan, trials, fitter, folder, digest, data_root, progress)
        for path in checkpoints.folder.glob("*"):
            path.unlink(missing_ok=True)
        output.print(f"Written to {folder}", markup=False, highlight=False)
    print_figures(output, metrics)
    return metrics


def _fit(
    definition: StudyDefinition,
    plan: Plan,
    trials: "Sequence[FrozenTrial]",
    fitter: "Fitter",
    folder: Path,
    digest: str,
    data_root: Path | None,
    progress: "FitProgress",
) -> "Metrics":
    """Choose among ``trials``, fit the chosen one, test the fits and write them to ``folder``."""
    from hpo.fit_inputs import fresh_trials
    from hpo.fit_result import FinalFit
    from hpo.progress import duration
    from hpo.selection import choose
    from model.evaluation import one_shot_accuracy

    space = definition.space()

    def lasting(trial: "FrozenTrial", minutes: float | None, otherwise: "Budget") -> "Budget":
        if minutes is None:
            return otherwise
        kept = folder / f"checkpoints/budget-{digest[:16]}-{trial.number}-{minutes:g}.json"
        hyperparameters = space.hyperparameters(trial.params)
        return fitter.lasting(hyperparameters, definition.final_budget(), 60 * minutes, kept)

    fresh = fresh_trials(definition, data_root, plan.seed, fitter.device)
    chosen, seconds = trials[0], 0.0
    candidates: list[Candidate] = []
    if len(trials) > 1:
        candidates, seconds = choose(
            trials,
            space,
            fitter,
            [lasting(t, plan.retrain_minutes, definition.training_budget()) for t in trials],
            fresh,
            plan.retrain_seeds(),
            progress,
        )
        chosen = next(t for t in trials if t.number == candidates[0].trial)
    hyperparameters = space.hyperparameters(chosen.params)
    budget = lasting(chosen, plan.minutes, definition.final_budget())
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
        definition=definition,
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


@app.command(
    epilog=options.examples(
        "python -m hpo.final_fit --study compact",
        "python -m hpo.final_fit --study compact --trial 0",
        "python -m hpo.final_fit --study compact --minutes 20",
    )
)
def main(
    study: options.Study = None,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial",
            metavar="N",
            min=0,
            help="Fit trial N, into final-trial-N. Without it: the best of --top, into final.",
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option(
            "--top",
            metavar="K",
            min=1,
            help="So many of the best trials are trained and scored anew; the best of them is "
            "fitted. 1 takes the search's word.",
        ),
    ] = 3,
    retrains: Annotated[
        int,
        typer.Option("--retrains", metavar="N", min=1, help="How often each of them is."),
    ] = 1,
    retrain_minutes: Annotated[
        float | None,
        typer.Option(
            "--retrain-minutes",
            metavar="M",
            min=0.001,
            help="About how long each time on this machine, for what learns fast at first may not "
            "come the farthest. Without it: as long as a trial.",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", min=1, help="Fits of the chosen one.")
    ] = 3,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", metavar="N", min=0, max=2**31 - 1, help="The first of these fits' seeds."
        ),
    ] = 0,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            metavar="M",
            min=0.001,
            help="Let each fit take about M minutes on this machine, its epochs scaled. "
            "Without it: the study's \\[final] budget, else its \\[budget].",
        ),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            "--background",
            metavar="full|small1|small2",
            help="Learn from these of Omniglot's alphabets, into final-small1 and the like: 30, or "
            "5 of them as in the limited-data benchmark. Without it: the study's own.",
        ),
    ] = None,
    out: options.Out = options.OUT,
    storage: options.Storage = None,
    dataset: options.LastFound = None,
    data_root: options.DataRoot = None,
    device: options.Device = "auto",
) -> None:
    """Fit a study's best configuration at full length and test it as the paper does.

    The same command goes on where it stopped.
    """
    plan = Plan(
        top=top,
        retrains=retrains,
        retrain_minutes=retrain_minutes,
        seeds=seeds,
        seed=seed,
        trial=trial,
        minutes=minutes,
        background=background,
    )
    with options.reported():
        definition, place = options.named_study(study, device, out=out, storage=storage)
        device = options.device_named(device)
        with options.interruptible(), place.explained():
            final_fit(definition, place, plan, dataset=dataset, data_root=data_root, device=device)


if __name__ == "__main__":
    app()
