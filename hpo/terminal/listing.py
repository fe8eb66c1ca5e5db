"""Which studies are at hand: ``python run_study.py --list``. Reads, and changes nothing."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.study.config import available, load
from hpo.study.errors import StudyError
from hpo.study.storage.location import StudyLocation

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from rich.console import Console


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One study in a list.

    Attributes:
        name: the study's.
        kept_in: its database, without a password.
        finished: trials that count, complete or pruned.
        running: trials that run, or ran when their process died.
        failed: trials that failed.
        best: the best value, if there is one.
        latest: when a trial last began or ended, if one did.
        problem: why it could not be read, if so.
    """

    name: str
    kept_in: str
    finished: int = 0
    running: int = 0
    failed: int = 0
    best: float | None = None
    latest: datetime | None = None
    problem: str | None = None


def studies_at_hand(out: Path, storage: str | None = None) -> list[Listed]:
    """Return the studies whose folders lie in ``out``, and those in the database ``storage``.

    Raises:
        StudyError: ``storage`` is not there or cannot be read.
    """
    found = []
    for file in sorted(out.glob("*/study.db")):
        try:
            location = StudyLocation(file.parent.name, out)
            found += [one for one in _read(location) if one.name == location.name]
        except StudyError as error:
            found.append(Listed(name=file.parent.name, kept_in=str(file), problem=str(error)))
    if storage is not None:
        found += _read(StudyLocation("studies", out, storage))
    return found


def print_list(console: "Console", out: Path, storage: str | None = None) -> None:
    """Print the studies at hand and the study files that can be run.

    Raises:
        StudyError: ``storage`` is not there or cannot be read.
    """
    from rich.table import Table

    from hpo.terminal.progress import duration

    studies = studies_at_hand(out, storage)
    table = Table(title="Studies at hand")
    table.add_column("study", overflow="fold")
    for heading in ("finished", "running", "failed", "best", "last active"):
        table.add_column(heading, justify="right")
    table.add_column("kept in", overflow="fold")
    for one in studies:
        active = "-"
        if one.latest is not None:
            seconds = (datetime.now() - one.latest).total_seconds()
            active = f"{duration(max(0.0, seconds))} ago"
        best = "-" if one.best is None else f"{one.best:.1%}"
        counts = (one.finished, one.running, one.failed)
        row = ("?",) * 3 if one.problem else tuple(map(str, counts))
        table.add_row(one.name, *row, best, active, one.kept_in)
    if studies:
        console.print(table)
    else:
        console.print(f"No studies in {out} yet.", markup=False, highlight=False)
    for one in studies:
        if one.problem:
            console.print(f"{one.name}: {one.problem}", markup=False, highlight=False)
    files = Table(title="Study files, to be run by name")
    files.add_column("study")
    files.add_column("what it is")
    for name in sorted(available()):
        try:
            files.add_row(name, load(name).description)
        except StudyError as error:
            files.add_row(name, str(error))
    console.print(files)


def _read(location: StudyLocation) -> Iterator[Listed]:
    from optuna import get_all_study_names, load_study

    storage = location.read_only()
    with location.explained():
        for name in get_all_study_names(storage):
            trials = load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
            yield _listed(name, location.shown_url, trials)


def _listed(name: str, kept_in: str, trials: "list[FrozenTrial]") -> Listed:
    from optuna.trial import TrialState

    from hpo.study.trials import FINISHED

    states = Counter(trial.state for trial in trials)
    values = [t.value for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    times = [time for t in trials for time in (t.datetime_start, t.datetime_complete) if time]
    return Listed(
        name=name,
        kept_in=kept_in.removeprefix("sqlite:///"),
        finished=sum(states[state] for state in FINISHED),
        running=states[TrialState.RUNNING],
        failed=states[TrialState.FAIL],
        best=max(values, default=None),
        latest=max(times, default=None),
    )
