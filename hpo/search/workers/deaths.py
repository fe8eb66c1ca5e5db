"""Workers that died: bad luck, or something that kills every one."""

import logging

from hpo.study.errors import StudyError
from hpo.study.open import open_finished
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.retry import retrying
from hpo.study.trials import FINISHED

DEATHS = 10
"""The study stops after this many workers died in a row with no trial finished in between."""

_log = logging.getLogger(__name__)


class Deaths:
    """Counts the workers that died since a trial was last finished."""

    def __init__(self, location: StudyLocation):
        self._location, self._number, self._finished = location, 0, -1

    def add(self, name: str, cause: str) -> None:
        """Count one.

        Raises:
            StudyError: `DEATHS` died since a trial was last finished, or the study cannot be used.
        """
        with self._location.explained():
            now = retrying(lambda: _finished_trials(self._location))
        self._number = self._number + 1 if now == self._finished else 1
        self._finished = now
        if self._number >= DEATHS:
            raise StudyError(
                f"{DEATHS} workers died without a trial finished between, the last one by {cause}. "
                "If memory is short, give fewer --workers"
            )
        _log.warning("%s died by %s and is replaced", name, cause)


def _finished_trials(location: StudyLocation) -> int:
    return len(open_finished(location).get_trials(deepcopy=False, states=FINISHED))
