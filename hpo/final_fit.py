"""Fit a study's best configuration at full length, and test it: ``python -m hpo.final_fit``."""

from typing import Annotated

import typer

from hpo.fits.final import Plan, final_fit
from hpo.terminal import options

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


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
        config, location = options.named_study(study, device, out=out, storage=storage)
        device = options.device_named(device)
        with options.interruptible(), location.explained():
            final_fit(config, location, plan, dataset=dataset, data_root=data_root, device=device)


if __name__ == "__main__":
    app()
