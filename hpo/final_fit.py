"""Fit a study's best configuration at full length, and test it: ``python -m hpo.final_fit``."""

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from hpo.fits.final import MINUTES, MOST_FITS, FitPlan, final_fit
from hpo.study.run import StudyRun
from hpo.terminal import options
from hpo.terminal.named import named_study

if TYPE_CHECKING:
    from hpo.results.metrics import Metrics

_log = logging.getLogger(__name__)


def fit_study(run: StudyRun, plan: FitPlan | None = None, dataset: str | None = None) -> "Metrics":
    """Run `final_fit`, write the model card beside its results, and return its metrics.

    Raises:
        StudyError: as for `final_fit`.
        DataError: likewise.
        OSError: likewise.
    """
    plan = plan or FitPlan()
    metrics = final_fit(run, plan, dataset)
    from hpo.reporting.card import write_card

    try:
        write_card(metrics, run.location.folder / plan.folder)
    except OSError as error:  # an earlier fit may be in a read-only folder
        _log.warning("The model card cannot be written: %s", error)
    return metrics


app = options.CommandApp()


@app.command(
    epilog=options.examples(
        "python -m hpo.final_fit --study compact",
        "python -m hpo.final_fit --study compact --trial 0",
        "python -m hpo.final_fit --study compact --minutes 20",
        "python -m hpo.final_fit --study compact --seeds 5 --ensemble",
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
            help="Fit trial N, into final-trial-N. The study's initial configurations are its "
            "first trials and need no search. Without it: the best of --top, into final.",
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option(
            "--top",
            metavar="K",
            min=1,
            help="Retrain and rescore the top K trials in rounds: the best third of each goes on "
            "to a round three times as long, and the winner is fitted. 1 skips this.",
        ),
    ] = 3,
    retrains: Annotated[
        int,
        typer.Option(
            "--retrains",
            metavar="N",
            min=1,
            max=MOST_FITS,
            help="Train each trial of a round N times.",
        ),
    ] = 1,
    retrain_minutes: Annotated[
        float | None,
        typer.Option(
            "--retrain-minutes",
            metavar="M",
            callback=options.number(*MINUTES),
            help="Train each trial of the last round for about M minutes on this machine, since "
            "fast starters do not always win. Without it: for a trial's budget.",
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", metavar="N", min=1, max=MOST_FITS, help="Fit the chosen trial with N seeds."
        ),
    ] = 3,
    seed: Annotated[
        int,
        typer.Option("--seed", metavar="N", min=0, max=2**31 - 1, help="The first of these seeds."),
    ] = 0,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            metavar="M",
            callback=options.number(*MINUTES),
            help="Scale the epochs so that each fit trains for about M minutes on this machine. "
            "Without it: the study's \\[final] budget, else its \\[budget].",
        ),
    ] = None,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble",
            help="Keep the nets of all seeds that do not collapse, and also test them as one net, "
            "which python -m model.predict then uses.",
        ),
    ] = False,
    background: Annotated[
        str | None,
        typer.Option(
            "--background",
            metavar="full|small1|small2",
            help="Train on this background set of Omniglot, into final-small1 and the like: 30 "
            "alphabets, or 5 as in the limited-data benchmark. Without it: the study's own.",
        ),
    ] = None,
    out: options.Out = options.OUT,
    storage: options.Storage = None,
    settings: options.Set = None,
    dataset: options.LastFound = None,
    data_root: options.DataRoot = None,
    device: options.Device = "auto",
) -> None:
    """Fit a study's best configuration at full length and test it as the paper does.

    Rerun the command to resume.
    """
    plan = FitPlan(
        top=top,
        retrains=retrains,
        retrain_minutes=retrain_minutes,
        seeds=seeds,
        seed=seed,
        trial=trial,
        minutes=minutes,
        background=background,
        ensemble=ensemble,
    )
    with options.reported():
        run = named_study(
            study, device, out=out, storage=storage, data_root=data_root, settings=settings
        )
        with options.interruptible(), run.location.explained():
            fit_study(run, plan, dataset)


if __name__ == "__main__":
    app()
