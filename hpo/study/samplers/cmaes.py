"""CMA-ES that keeps nothing in the database but trials."""

from typing import Any

import numpy as np
from optuna.samplers import CmaEsSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial


class ReplayedCmaEsSampler(CmaEsSampler):
    """Optuna's CMA-ES, its distribution told anew from the finished trials each time.

    Optuna stores the distribution in the database as a pickle and loads it again, and a pickle
    from a database that a stranger handed over runs what the stranger likes. The distribution
    follows from the trials, so it is not stored at all; telling it 200 trials takes milliseconds.
    """

    _completed: list[FrozenTrial]

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> None:
        self._completed = completed_trials

    def _split_optimizer_str(self, optimizer_str: str) -> dict[str, str]:
        return {}

    def _init_optimizer(self, trans: Any, direction: StudyDirection) -> Any:
        optimizer = super()._init_optimizer(trans, direction)
        sign = -1 if direction == StudyDirection.MAXIMIZE else 1
        while True:
            trials = self._get_solution_trials(self._completed, optimizer.generation)
            told = [t for t in trials if trans._search_space.keys() <= t.params.keys()]
            if len(told) < optimizer.population_size or optimizer.dim != len(trans.bounds):
                return optimizer
            optimizer.tell(
                [
                    (np.asarray(trans.transform(t.params)), sign * (t.value or 0.0))
                    for t in told[: optimizer.population_size]
                ]
            )
