"""Search the hyperparameters of a siamese one-shot net: the command line of the main job."""

import time
from typing import Annotated

import typer

from hpo.terminal import options, signals
from hpo.terminal.named import named_source, named_study

app = options.CommandApp()


@app.command(
    epilog=options.examples(
        "python run_study.py --trials 200",
        "python run_study.py --study smoke --trials 3",
        "python run_study.py --study paper --dry-run",
        "python run_study.py --study compact --set budget.epochs=4 --set 'conv*.filters=64'",
        "python run_study.py --study beyond --from compact",
        "python run_study.py --list",
    )
)
def main(
    study: options.Study = None,
    trials: options.Trials = None,
    timeout: options.Timeout = None,
    out: options.Out = options.OUT,
    storage: options.Storage = None,
    settings: options.Set = None,
    dataset: options.Dataset = None,
    data_root: options.DataRoot = None,
    drawer_names: options.DrawerNames = None,
    sampler: options.Sampler = None,
    pruner: options.Pruner = None,
    seed: options.Seed = None,
    source: options.From = None,
    workers: options.Workers = 1,
    ray: options.Ray = None,
    tensorboard: options.Tensorboard = None,
    device: options.Device = "auto",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would run, and run nothing."),
    ] = False,
    listing: Annotated[
        bool,
        typer.Option("--list", help="List the studies and study files here, and exit."),
    ] = False,
    version: options.Version = False,
) -> None:
    """Search the hyperparameters of a siamese one-shot net, as Koch et al. (2015) did.

    Rerun the command to resume; it ends at the same total of trials.
    """
    with options.reported():
        if listing:
            from hpo.terminal.listing import print_list
            from hpo.terminal.progress import console

            print_list(console(), out, storage)
            return
        run = named_study(
            study,
            device,
            out=out,
            storage=storage,
            data_root=data_root,
            settings=settings,
            dataset=dataset,
            drawer_names=drawer_names,
            sampler=sampler,
            pruner=pruner,
            seed=seed,
            trials=trials,
        )
        # Torch takes seconds to import, which a wrong option should not cost.
        from hpo.run import dry_run_study, run_study
        from hpo.search.tensorboard import TensorBoard

        other = None if source is None else named_source(source, run.location)
        if dry_run:
            dry_run_study(run, other, given=dataset is not None)
            return
        on_epoch = None if tensorboard is None else TensorBoard(tensorboard)
        signals.raise_on_signals()
        deadline = None if timeout is None else time.time() + timeout
        try:
            finished = run_study(
                run,
                workers=workers,
                ray=ray,
                deadline=deadline,
                source=other,
                given=dataset is not None,
                on_epoch=on_epoch,
            )
        except KeyboardInterrupt:
            finished = False
    if not finished:
        raise typer.Exit(signals.exit_code())


if __name__ == "__main__":
    app()
