"""The progress of a study: bars in a terminal, plain lines in a log file.

It is read from the study's database, whichever processes or machines write to it.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from hpo.study.attempts import finished_of, latest_attempts
from hpo.study.errors import StudyError
from hpo.study.record import candidates
from hpo.study.samplers.asha import epochs_in_all
from hpo.study.storage.retry import no_retry
from hpo.study.trials import FINISHED, TrialRecord, is_paused, original_number

POLL_SECONDS = 0.5
LINE_SECONDS = 30.0


def bars(console: Console) -> Progress:
    """Return bars that only show in a terminal; each task has a field ``note``."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


class StudyProgress:
    """Shows a study while its block runs: a bar of trials, and one of each running trial's epochs.

    Up to ``total`` trials finish, each of at most so many ``epochs``; none starts after the
    ``deadline`` (`time.time`), if there is one. Where trials are paused at ``rungs``, some of them
    go on when all have been begun, so that the time left is reckoned in epochs.
    """

    def __init__(
        self,
        study: optuna.Study,
        total: int,
        epochs: int,
        console: Console,
        deadline: float | None = None,
        rungs: Sequence[int] = (),
    ):
        self._study, self._total, self._epochs = study, total, epochs
        self._rungs = rungs
        self._console, self._deadline = console, deadline
        trials = _trials(study)
        self._shown = {trial.number for trial in trials if trial.state.is_finished()}
        self._states, self._finished = Counter[TrialState](), 0
        self._before = self._done_of(trials)
        self._started = time.monotonic()
        self._last_line = self._started
        self._done_then, self._end = self._before, self._started
        self._bars = bars(console)
        self._overall = self._bars.add_task(
            "trials", total=total, completed=self._count(trials), note=""
        )
        self._tasks: dict[int, TaskID] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def __enter__(self) -> None:
        self._bars.start()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()
        self._bars.stop()

    def _watch(self) -> None:
        while not self._done.wait(POLL_SECONDS):
            self._look()

    def _look(self) -> None:
        try:
            with no_retry():
                trials = _trials(self._study)
        except (StorageInternalError, StudyError):
            # The process that runs the trials reports the error.
            return
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._shown:
                self._shown.add(trial.number)
                log(self._console, describe(trial, trials))
                self._last_line = time.monotonic()
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        finished = self._count(trials)
        note = "  ".join(filter(None, (_best(trials), self._left(self._done_of(trials)))))
        self._bars.update(self._overall, completed=finished, note=note)
        self._show_running(running)
        if not self._console.is_terminal and time.monotonic() - self._last_line > LINE_SECONDS:
            self._last_line = time.monotonic()
            now = ", ".join(f"trial {t.number} epoch {t.last_step or 0}" for t in running)
            line = "  ".join(filter(None, (f"{finished}/{self._total} trials", note, now)))
            log(self._console, line)

    def _count(self, trials: Sequence[FrozenTrial]) -> int:
        """Return how many count towards the total, counted anew only when a state has changed."""
        states = Counter(trial.state for trial in trials)
        if states != self._states:
            self._states = states
            self._finished = finished_of([TrialRecord.of(trial) for trial in trials])
        return self._finished

    def _done_of(self, trials: Sequence[FrozenTrial]) -> float:
        """Return how far the search is, in trials: at the total all of them have ended."""
        if self._rungs:
            epochs: dict[int, int] = {}
            for trial in trials:
                number, epoch = original_number(trial), trial.last_step or 0
                if trial.state in FINISHED:  # perhaps early, and then what is left is not trained
                    ends = self._rungs if trial.state == TrialState.PRUNED else self._rungs[-1:]
                    epoch = next((rung for rung in ends if rung >= epoch), epoch)
                epochs[number] = max(epochs.get(number, 0), epoch)
            return self._total * sum(epochs.values()) / epochs_in_all(self._total, self._rungs)
        running = (trial for trial in trials if trial.state == TrialState.RUNNING)
        return self._count(trials) + sum((trial.last_step or 0) / self._epochs for trial in running)

    def _show_running(self, running: Sequence[FrozenTrial]) -> None:
        for number in set(self._tasks) - {trial.number for trial in running}:
            self._bars.remove_task(self._tasks.pop(number))
        for trial in running:
            if trial.number not in self._tasks:
                self._tasks[trial.number] = self._bars.add_task(
                    f"  trial {trial.number}, epochs", total=self._epochs, note=""
                )
            best = max(trial.intermediate_values.values(), default=None)
            note = "" if best is None else f"best {best:.1%}"
            epoch = trial.last_step or 0
            self._bars.update(self._tasks[trial.number], completed=epoch, note=note)

    def _left(self, done: float) -> str:
        now = time.monotonic()
        here = done - self._before
        stop = float("inf") if self._deadline is None else max(0.0, self._deadline - time.time())
        if done >= self._total:
            return ""
        if here <= 0:
            return f"no new trial after {duration(stop)}" if self._deadline is not None else ""
        if done != self._done_then:
            # The estimate changes only after an epoch; in between it counts down.
            self._done_then = done
            self._end = now + (now - self._started) / here * (self._total - done)
        left = max(0.0, self._end - now)
        return f"about {duration(left)} left" if left < stop else f"stops in {duration(stop)}"


def log(console: Console, text: str) -> None:
    """Print a line on what has just happened, with the time where it goes to a log file."""
    now = "" if console.is_terminal else f"{datetime.now():%Y-%m-%d %H:%M:%S} "
    console.print(f"{now}{text}")


def describe(trial: FrozenTrial, trials: Sequence[FrozenTrial] = ()) -> str:
    """Return one line on a finished trial; all ``trials`` tell how an interrupted one goes on."""
    record = TrialRecord.of(trial)
    if trial.state == TrialState.FAIL:
        if record.failure:
            return f"trial {trial.number}: failed: {record.failure}"
        return f"trial {trial.number}: {interrupted(record, [TrialRecord.of(t) for t in trials])}"
    parts = [f"trial {trial.number}:"]
    if record.accuracy is not None:
        parts.append(f"{record.accuracy:.1%}")
    if trial.state == TrialState.PRUNED:
        parts.append("(paused)" if record.paused else "(pruned)")
    if record.best_epoch is not None:
        parts.append(f"at epoch {record.best_epoch} of {record.epochs},")
    if record.diverged:
        parts.append("diverged,")
    if record.collapsed:
        parts.append("collapsed,")
    parts.append(duration(record.seconds))
    return " ".join(parts)


def interrupted(trial: TrialRecord, trials: Sequence[TrialRecord]) -> str:
    """Return how a trial goes on whose process was stopped or died."""
    attempts = [one for one in trials if one.original_number == trial.original_number]
    retry = next((one for one in attempts if one.number > trial.number), None)
    if retry is None:
        # Those that wait for it are queued in their order, as soon as some process runs trials.
        waiting = [
            one.original_number for one in latest_attempts(trials).values() if one.is_interrupted
        ]
        place = waiting.index(trial.original_number) if trial.original_number in waiting else 0
        number = len(trials) + place
    else:
        number = retry.number
    if retry is not None and retry.resumed_after_epoch:
        return f"interrupted, resumes as trial {number} after epoch {retry.resumed_after_epoch}"
    # A retry that came to its end without a checkpoint found none.
    if trial.epochs and not (retry is not None and retry.state in FINISHED):
        return (
            f"interrupted after epoch {trial.epochs}, resumes as trial {number} from its last "
            "checkpoint"
        )
    return f"interrupted, starts anew as trial {number}"


def duration(seconds: float) -> str:
    """Return seconds in readable units: ``0.3 s``, ``45 s``, ``3 min``, ``2:05 h``, ``12 days``."""
    if seconds < 0.095:
        return f"{round(seconds, 3):.1g} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    whole = timedelta(minutes=round(seconds / 60))
    hours, minutes = divmod(whole.total_seconds() // 60, 60)
    return f"{hours:.0f}:{minutes:02.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def durations(seconds: Sequence[float]) -> list[str]:
    """Return several durations in one unit, that of the longest: ``0.5 min``, ``12.0 min``.

    All have as many decimals as the shortest needs.
    """
    units = ((86400, "days"), (3600, "h"), (60, "min"), (1, "s"))
    longest, shortest = max(seconds, default=0.0), min(seconds, default=0.0)
    size, unit = next((one for one in units if longest >= 1.5 * one[0]), units[-1])
    digits = next((n for n in (1, 2, 3) if round(shortest / size, n)), 1)
    return [f"{one / size:.{digits}f} {unit}" for one in seconds]


def console() -> Console:
    """Return the console for messages: plain and 80 columns wide outside a terminal.

    A notebook counts as a log file, although its output claims to be a terminal: bars would need
    widgets there, and end up in the wrong cell.
    """
    terminal = sys.stdout.isatty() and sys.stdout is sys.__stdout__
    return Console(
        file=sys.stdout,
        width=None if terminal else 80,
        soft_wrap=True,
        force_terminal=terminal,
        force_jupyter=False,
        # Names and descriptions are text, whatever they look like.
        markup=False,
        emoji=False,
        highlight=False,
    )


def _best(trials: Sequence[FrozenTrial]) -> str:
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    if complete:
        first = max(complete, key=lambda trial: trial.value or 0.0)
        return f"best {first.value:.1%} (trial {first.number})"
    if not any(map(is_paused, trials)):
        return ""
    for best in candidates(TrialRecord.of(trial) for trial in trials):
        return f"best {best.accuracy:.1%} (trial {best.number}, epoch {best.epochs})"
    return ""


def _trials(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False)


_MANY = 200
"""So many images and more take a time that wants a bar."""


@contextmanager
def reading(output: Console) -> Iterator[Callable[[int, int], None]]:
    """Show a bar, in a terminal, while the block reads many images; give what to tell it."""
    with bars(output) as shown:
        task = None

        def tell(done: int, total: int) -> None:
            nonlocal task
            if task is None and total >= _MANY:
                task = shown.add_task("reading images", total=total, note="")
            if task is not None:
                shown.update(task, completed=done)

        yield tell
