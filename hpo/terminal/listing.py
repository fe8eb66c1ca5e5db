"""``python run_study.py --list``: the studies in a folder or database, and the study files."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.study.errors import StudyError
from hpo.study.files import available, load
from hpo.study.storage.location import StudyLocation

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, kw_only=True)
class ListedStudy:
    """One study of the list.

    Attributes:
        database: its URL or file, without a password.
        finished: complete, paused and pruned trials.
        running: running trials, including those whose process died.
        best: best value, if any.
        latest: when a trial last started or ended, if any did.
        problem: why it could not be read, if it could not.
    """

    name: str
    database: str
    finished: int = 0
    running: int = 0
    failed: int = 0
    best: float | None = None
    latest: datetime | None = None
    problem: str | None = None


def list_studies(out: Path, storage: str | None = None) -> list[ListedStudy]:
    """Return the studies with a folder in ``out``, and those in the database ``storage``.

    Raises:
        StudyError: ``storage`` cannot be read.
    """
    from hpo.study.open import renamed

    found: list[ListedStudy] = []
    for file in sorted(out.glob("*/study.db")):
        try:
            location = StudyLocation(file.parent.name, out)
            inside = list(_read(location))
            own = [one for one in inside if one.name == location.name]
            if inside and not own:
                raise StudyError(renamed(location, [one.name for one in inside]))
            found += own
        except StudyError as error:
            found.append(ListedStudy(name=file.parent.name, database=str(file), problem=str(error)))
    if storage is not None:
        found += _read(StudyLocation("studies", out, storage))
    return found


def print_list(console: "Console", out: Path, storage: str | None = None) -> None:
    """Print the studies, and the study files that can be run.

    Raises:
        StudyError: ``storage`` cannot be read.
    """
    from rich.table import Table

    from hpo.terminal.progress import duration

    studies = list_studies(out, storage)
    table = Table(title="Studies")
    table.add_column("study", overflow="fold")
    for heading in ("finished", "running", "failed", "best", "last active"):
        table.add_column(heading, justify="right")
    table.add_column("database", overflow="fold")
    for one in studies:
        active = "-"
        if one.latest is not None:
            seconds = (datetime.now() - one.latest).total_seconds()
            active = f"{duration(max(0.0, seconds))} ago"
        best = "-" if one.best is None else f"{one.best:.1%}"
        counts = (one.finished, one.running, one.failed)
        row = ("?",) * 3 if one.problem else tuple(map(str, counts))
        table.add_row(one.name, *row, best, active, one.database)
    if studies:
        console.print(table)
    else:
        console.print(f"No studies in {out} yet.")
    for one in studies:
        if one.problem:
            console.print(f"{one.name}: {one.problem}")
    files = Table(title="Study files")
    files.add_column("study")
    files.add_column("description")
    for name in sorted(available()):
        try:
            files.add_row(name, load(name).description)
        except StudyError as error:
            files.add_row(name, str(error))
    console.print(files)


def _read(location: StudyLocation) -> Iterator[ListedStudy]:
    from optuna import get_all_study_names, load_study
    from optuna.trial import TrialState

    from hpo.study.attempts import finished_of
    from hpo.study.record import candidates
    from hpo.study.trials import records

    storage = location.read_only()
    with location.explained():
        for name in get_all_study_names(storage):
            study = load_study(study_name=name, storage=storage)
            database = str(location.sqlite_file() or location.shown_url)
            if (objectives := len(study.directions)) > 1:
                problem = f"it has {objectives} objectives, so it was not made here"
                yield ListedStudy(name=name, database=database, problem=problem)
                continue
            trials = records(study)
            states = Counter(trial.state for trial in trials)
            best = next(iter(candidates(trials)), None)
            times = [time for t in trials for time in (t.started, t.ended) if time]
            yield ListedStudy(
                name=name,
                database=database,
                finished=finished_of(trials),
                running=states[TrialState.RUNNING],
                failed=states[TrialState.FAIL] - sum(trial.is_interrupted for trial in trials),
                best=best.accuracy if best else None,
                latest=max(times, default=None),
            )
