"""A study from its definition to its results, on this machine."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from data.sources import is_folder
from hpo.definition import StudyDefinition
from hpo.own_data import tell_folder
from hpo.place import Place
from hpo.progress import StudyProgress, console
from hpo.study import open_study
from hpo.summary import print_plan, print_results
from hpo.warm_start import proposals, take_over
from hpo.worker import Job
from hpo.workers import run_workers


def run_study(
    definition: StudyDefinition,
    place: Place,
    *,
    data_root: Path | None = None,
    device: str = "cpu",
    workers: int = 1,
    ray: str | None = None,
    deadline: float | None = None,
    source: Place | None = None,
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
    total, output = definition.search.trials, console()
    study = open_study(definition, place)
    job = Job(
        definition=definition,
        place=place,
        total=total,
        data_root=data_root,
        device=device,
        deadline=deadline,
    )
    output.print(
        f"Study {place.name}: up to {total} trials on {device}, kept in {place.shown_url}",
        markup=False,
        highlight=False,
    )
    if is_folder(definition.data.dataset):
        tell_folder(output, definition, place.folder)
    if source is not None:
        _say(output, take_over(study, place, source, definition.space()))
    interrupted = False
    with StudyProgress(study, total, definition.budget.epochs, output, deadline):
        try:
            if ray is None:
                run_workers(job, workers)
            else:
                from hpo.ray_workers import run_on_ray

                run_on_ray(job, workers, ray)
        except KeyboardInterrupt:
            interrupted = True
    with place.explained():
        print_results(output, study, place)
    if interrupted:
        output.print("Interrupted. The same command goes on from here.", highlight=False)
    return not interrupted


def dry_run_study(
    definition: StudyDefinition, place: Place, device: str, source: Place | None = None
) -> None:
    """Print what would run; a folder of images is read, and nothing is written.

    Raises:
        DataError: that folder cannot be used, or holds too little.
        StudyError: there is no study ``source``, or nothing in it.
    """
    output = console()
    output.print(
        f"Study {place.name}, kept in {place.shown_url}: {definition.description}",
        markup=False,
        highlight=False,
    )
    if is_folder(definition.data.dataset):
        tell_folder(output, definition)
    if source is not None:
        _say(output, proposals(source, definition.space())[1])
    print_plan(output, definition, definition.search.trials, device)


def _say(output: Console, lines: Iterable[str]) -> None:
    for line in lines:
        output.print(line, markup=False, highlight=False)
