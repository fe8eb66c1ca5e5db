"""The command whose study ``tests.chaos`` harms: it runs again whenever it stops."""

import re
import signal
import threading
from collections import deque
from types import FrameType

from hpo.search.workers.processes import run_workers
from hpo.search.workers.worker import Job
from hpo.study.attempts import finished
from hpo.study.errors import StudyError
from hpo.study.open import open_there
from hpo.study.storage.retry import retrying
from hpo.terminal import signals

INTERRUPTED = "interrupted"


class Command:
    """Runs the study and, as a user would, runs it again whenever it was stopped."""

    def __init__(self, job: Job, workers: int):
        self.job, self._workers = job, workers
        self.lock = threading.Lock()  # no run begins while a fault holds it
        self.expected: deque[str] = deque(maxlen=3)  # reasons to stop, of the latest faults
        self.endings: list[str] = []
        self.unexpected: list[str] = []
        self.running = self.over = False
        self.to_stop = False  # by a fault; another Ctrl-C ends it all

    def run(self) -> None:
        signals.raise_on_signals()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._signalled)
        while len(self.unexpected) < 5:
            with self.lock:
                study = retrying(lambda: open_there(self.job.run.location))
                if finished(study) >= self.job.total:
                    break
            ending = self._once()
            if ending and not any(re.search(reason, ending) for reason in self.expected):
                self.unexpected.append(ending)
            self.endings.append(ending)
        self.over = True

    def _once(self) -> str:
        try:
            self.running = True
            try:
                run_workers(self.job, self._workers)
            finally:
                self.running = False
        except KeyboardInterrupt:
            if not self.to_stop:
                raise
            return INTERRUPTED
        except StudyError as error:
            return str(error)
        return ""

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if self.running or not self.to_stop:
            signals._interrupt(number, frame)
