"""An ablation from the first initial configuration to the best: ``python -m hpo.ablation``."""

from typing import Annotated

import typer

from hpo.fits.final import MINUTES, MOST_FITS
from hpo.terminal import options
from hpo.terminal.named import named_study

app = options.CommandApp()


@app.command(
    epilog=options.examples(
        "python -m hpo.ablation --study beyond",
        "python -m hpo.ablation --study beyond --trial 41 --minutes 5",
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
            help="End at the configuration of trial N; an initial one needs no search. Without "
            "it: at the study's best.",
        ),
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(
            "--minutes",
            metavar="M",
            callback=options.number(*MINUTES),
            help="Train each fit for about M minutes.",
        ),
    ] = 2.0,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", metavar="N", min=1, max=MOST_FITS, help="Fits of each configuration."
        ),
    ] = 3,
    out: options.Out = options.OUT,
    storage: options.Storage = None,
    settings: options.Set = None,
    dataset: options.LastFound = None,
    data_root: options.DataRoot = None,
    device: options.Device = "auto",
) -> None:
    """Fit and test the configurations from a study's initial one to its best, change by change.

    Rerun the command to resume.
    """
    with options.reported():
        # Not before it is used, so that --help is quick.
        from hpo.fits.ablation import AblationPlan, ablation

        run = named_study(
            study, device, out=out, storage=storage, data_root=data_root, settings=settings
        )
        plan = AblationPlan(trial=trial, minutes=minutes, seeds=seeds)
        with options.interruptible(), run.location.explained():
            ablation(run, plan, dataset)


if __name__ == "__main__":
    app()
