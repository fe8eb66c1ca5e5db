"""The main job: run a study from its config to its results."""

import time
from collections.abc import Iterable, Iterator

from rich.console import Console

from data.images.listing import shown
from data.sources.table import check, is_folder
from hpo.search.artifacts.upload import keep_artifacts
from hpo.search.hooks import OnEpoch
from hpo.search.own_data import tell_folder
from hpo.search.warm_start import Source, enqueue_from, proposals
from hpo.search.workers.processes import run_workers
from hpo.search.workers.worker import Job
from hpo.study.attempts import finished
from hpo.study.errors import StudyError, refuse_outside
from hpo.study.open import on_known_data, open_study, remember_beside
from hpo.study.run import StudyRun
from hpo.terminal.options import MOST_WORKERS
from hpo.terminal.progress import StudyProgress, console
from hpo.terminal.summary import data_line, print_plan, print_results


def run_study(
    run: StudyRun,
    *,
    workers: int = 1,
    ray: str | None = None,
    deadline: float | None = None,
    source: Source | None = None,
    given: bool = True,
    on_epoch: OnEpoch | None = None,
) -> bool:
    """Run the study to its total of trials, showing progress; return False if interrupted.

    Args:
        run: the study to run; an existing study is resumed.
        workers: processes that run trials.
        ray: the address of a Ray cluster for the workers, ``local`` for a temporary one here.
        deadline: if given, no trial starts after this time (`time.time`).
        source: another study, whose best configurations are tried first, or a file with
            initial configurations.
        given: whether the user named the data set, rather than only the study file; see
            `on_known_data`.
        on_epoch: a hook, called after each epoch with a `hpo.search.hooks.TrialEpoch`.

    Raises:
        ConfigError: the number of workers is out of range.
        StudyError: the study cannot be opened or resumed, its workers' trials are missing from it,
            or the hook cannot be sent to them.
        DataError: its data cannot be loaded.
    """
    refuse_outside(1, MOST_WORKERS, workers=workers)
    asked, run = run.config.data.dataset, on_known_data(run, given=given)
    config, location = run.config, run.location
    total, output = config.search.trials, console()
    check(config.data.dataset)  # before a typo leaves files behind
    if source is not None:
        proposals(source, config.space())
    study = open_study(run)
    remember_beside(study, run)
    job = Job(run=run, total=total, deadline=deadline, artifacts=keep_artifacts, on_epoch=on_epoch)
    output.print(
        f"Study {location.name}: up to {total} trials on {run.device}, kept in {location.shown_url}"
    )
    _say(output, _as_begun(asked, config.data.dataset))
    if is_folder(config.data.dataset):
        tell_folder(output, run, location.folder)
    else:
        _say(output, [f"Data: {data_line(run)}"])
    if source is not None:
        _say(output, enqueue_from(study, run, source))
    interrupted = False
    with StudyProgress(study, total, config.budget.epochs, output, deadline, config.rungs()):
        try:
            if ray is None:
                run_workers(job, workers)
            else:
                from hpo.search.workers.ray import run_on_ray

                run_on_ray(job, workers, ray)
        except KeyboardInterrupt:
            interrupted = True
    with location.explained():
        done = finished(study)
        print_results(output, study, location, run.data_root)
    if not interrupted and done < total and (deadline is None or time.time() < deadline):
        raise StudyError(
            f"the workers ended, but {location.shown_url} holds {done} of {total} finished "
            "trials. They may have written elsewhere: --out and --storage must mean the same on "
            "every machine"
        )
    if interrupted:
        output.print("Interrupted. Rerun the command to resume.")
    return not interrupted


def dry_run_study(run: StudyRun, source: Source | None = None, *, given: bool = True) -> None:
    """Print what `run_study` would run. A folder of images is read, but nothing is written.

    Raises:
        DataError: the folder cannot be used, or holds too few images.
        StudyError: ``source`` does not exist or holds no configuration, or the folder of images
            that this study was begun on is no longer where it was.
    """
    asked, run = run.config.data.dataset, on_known_data(run, given=given)
    config, location, output = run.config, run.location, console()
    output.print(f"Study {location.name}, kept in {location.shown_url}: {config.description}")
    _say(output, _as_begun(asked, config.data.dataset))
    if is_folder(config.data.dataset):
        tell_folder(output, run)
    if source is not None:
        _say(output, proposals(source, config.space())[1])
    print_plan(output, run)


def _as_begun(asked: str, dataset: str) -> Iterator[str]:
    if dataset != asked:
        where = f"the images last found in {shown(dataset)}" if is_folder(dataset) else dataset
        yield f"Data as the study was begun on: {where}"


def _say(output: Console, lines: Iterable[str]) -> None:
    for line in lines:
        output.print(line)
