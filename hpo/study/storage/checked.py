"""The study's database, whose records are looked at as they are read."""

import functools
import math
from collections.abc import Callable
from typing import Any

from optuna.storages import RDBStorage
from optuna.storages._rdb.models import NOT_FOUND_MSG, TrialModel
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from hpo.study.errors import StudyError


class CheckedStorage(RDBStorage):
    """Optuna's database; a record in it that Optuna cannot have written is a `StudyError`.

    SQLite does not notice a changed byte within a text or a number.
    """

    def _build_frozen_trial_from_trial_model(self, trial: TrialModel) -> FrozenTrial:
        built = super()._build_frozen_trial_from_trial_model(trial)
        # Each raises if it is no number.
        for value in (*(built.values or ()), *built.intermediate_values.values()):
            math.isnan(value)
        for name, distribution in built.distributions.items():
            distribution.to_internal_repr(built.params[name])
        if not isinstance(built.number, int):
            raise ValueError("a trial without a number")
        if built.state.is_finished() and built.datetime_complete is None:
            raise ValueError(f"trial {built.number}, which finished at no time")
        return built

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return the study's directions, at least one."""
        if not (directions := super().get_study_directions(study_id)):
            raise ValueError("a study without a direction")
        return directions


def checked(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a step of the storage end in a `StudyError` where a record is not what it must be."""

    @functools.wraps(method)
    def step(self: CheckedStorage, *arguments: Any, **options: Any) -> Any:
        try:
            return method(self, *arguments, **options)
        except StudyError:
            raise
        except (LookupError, ValueError, TypeError, AssertionError) as error:
            if error.args == (NOT_FOUND_MSG,):
                raise
            raise StudyError(
                f"the study's database is damaged: it holds a record that cannot be ({error}). It "
                "is left as it is: put a backup in its place, or start anew with another --out"
            ) from None

    return step


for _name in (
    "get_all_studies",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "get_trial",
    "_get_trials",
):
    setattr(CheckedStorage, _name, checked(getattr(CheckedStorage, _name)))
