"""The progress of final fits: a bar in a terminal, plain lines in a log file."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import TaskID

from hpo.terminal.progress import LINE_SECONDS, bars, duration, log
from model.training.trainer import EpochResult


class FitProgress:
    """Shows one fit after another while its block runs."""

    def __init__(self, console: Console, fits: int):
        self._console, self._fits = console, fits
        self._begun = 0
        self._bars = bars(console)
        self._last_line = 0.0

    def __enter__(self) -> "FitProgress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        """Print one line."""
        log(self._console, text)

    def testing(self, steps: int) -> Callable[[str], None]:
        """Begin the tests, of so many steps; return what is told of each as it begins."""
        bar = self._only_bar("testing", steps)
        begun = 0
        self.say("testing")

        def tell(step: str) -> None:
            nonlocal begun
            self._bars.update(bar, completed=begun, note=step)
            begun += 1
            self._say_now_and_then(f"testing: {begun} of {steps}, {step}")

        return tell

    def _only_bar(self, description: str, total: int) -> TaskID:
        for task in self._bars.task_ids:
            self._bars.remove_task(task)
        self._last_line = time.monotonic()
        return self._bars.add_task(description, total=total, note="")

    def _say_now_and_then(self, text: str) -> None:
        if not self._console.is_terminal and time.monotonic() - self._last_line > LINE_SECONDS:
            self._last_line = time.monotonic()
            self.say(text)

    def __call__(self, label: str, epochs: int) -> Callable[[list[EpochResult]], None]:
        """Begin the next fit; return the callback for its history after every epoch."""
        self._begun += 1
        label = f"{self._begun}/{self._fits} {label}"
        bar = self._only_bar(f"{label}, epochs", epochs)

        def tell(history: list[EpochResult]) -> None:
            best = max(result.one_shot_accuracy for result in history)
            spent = sum(result.seconds for result in history)
            left = spent / len(history) * (epochs - len(history))
            note = f"best {best:.1%}" + (f"  about {duration(left)} left" if left else "")
            self._bars.update(bar, completed=len(history), note=note)
            self._say_now_and_then(f"{label}: epoch {len(history)} of {epochs}  {note}")

        return tell
