"""What each change is worth on the way from the paper: ``python -m hpo.ablation``."""

from typing import TYPE_CHECKING, Annotated

import typer

from hpo.fits.ablation import Plan, ablation
from hpo.terminal import options

if TYPE_CHECKING:
    pass


app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


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
            help="Go to the configuration of trial N. Without it: to the study's best.",
        ),
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(
            "--minutes", metavar="M", min=0.001, help="Let each fit take about M minutes."
        ),
    ] = 2.0,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", min=1, help="Fits of each configuration.")
    ] = 3,
    out: options.Out = options.OUT,
    storage: options.Storage = None,
    dataset: options.LastFound = None,
    data_root: options.DataRoot = None,
    device: options.Device = "auto",
) -> None:
    """Fit and test every configuration from the paper's to a study's best, one change at a time.

    The same command goes on where it stopped.
    """
    with options.reported():
        config, location = options.named_study(study, device, out=out, storage=storage)
        device = options.device_named(device)
        plan = Plan(trial=trial, minutes=minutes, seeds=seeds)
        with options.interruptible(), location.explained():
            ablation(config, location, plan, dataset=dataset, data_root=data_root, device=device)


if __name__ == "__main__":
    app()
