"""A study from its definition to its results, on this machine."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from data.sources.table import is_folder
from hpo.search.own_data import tell_folder
from hpo.search.warm_start import enqueue_from, proposals
from hpo.search.workers.processes import run_workers
from hpo.search.workers.worker import Job
from hpo.study.config import StudyConfig
from hpo.study.open import open_study
from hpo.study.storage.location import StudyLocation
from hpo.terminal.progress import StudyProgress, console
from hpo.terminal.summary import print_plan, print_results


def run_study(
    config: StudyConfig,
    location: StudyLocation,
    *,
    data_root: Path | None = None,
    device: str = "cpu",
    workers: int = 1,
    ray: str | None = None,
    deadline: float | None = None,
    source: StudyLocation | None = None,
) -> bool:
    """Run the study to its total of trials, showing how it goes; return False if interrupted.

    Args:
        definition: what to run.
        place: where it is kept; a study that is there goes on.
        data_root: where data sets lie, None for the usual places.
        device: what to train on.
        workers: processes that run trials.
        ray: the address of a Ray cluster to place them on, ``local`` for one made here.
        deadline: no trial starts after this time (`time.time`), if given.
        source: another study, whose best configurations are tried first.

    Raises:
        StudyError: the study cannot be opened, or cannot go on.
        DataError: its data cannot be had.
    """
    total, output = config.search.trials, console()
    study = open_study(config, location)
    job = Job(
        config=config,
        location=location,
        total=total,
        data_root=data_root,
        device=device,
        deadline=deadline,
    )
    output.print(
        f"Study {location.name}: up to {total} trials on {device}, kept in {location.shown_url}",
        markup=False,
        highlight=False,
    )
    if is_folder(config.data.dataset):
        tell_folder(output, config, location.folder)
    if source is not None:
        _say(output, enqueue_from(study, location, source, config.space()))
    interrupted = False
    with StudyProgress(study, total, config.budget.epochs, output, deadline):
        try:
            if ray is None:
                run_workers(job, workers)
            else:
                from hpo.search.workers.ray import run_on_ray

                run_on_ray(job, workers, ray)
        except KeyboardInterrupt:
            interrupted = True
    with location.explained():
        print_results(output, study, location)
    if interrupted:
        output.print("Interrupted. The same command goes on from here.", highlight=False)
    return not interrupted


def dry_run_study(
    config: StudyConfig, location: StudyLocation, device: str, source: StudyLocation | None = None
) -> None:
    """Print what would run; a folder of images is read, and nothing is written.

    Raises:
        DataError: that folder cannot be used, or holds too little.
        StudyError: there is no study ``source``, or nothing in it.
    """
    output = console()
    output.print(
        f"Study {location.name}, kept in {location.shown_url}: {config.description}",
        markup=False,
        highlight=False,
    )
    if is_folder(config.data.dataset):
        tell_folder(output, config)
    if source is not None:
        _say(output, proposals(source, config.space())[1])
    print_plan(output, config, config.search.trials, device)


def _say(output: Console, lines: Iterable[str]) -> None:
    for line in lines:
        output.print(line, markup=False, highlight=False)
