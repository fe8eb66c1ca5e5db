"""What a study's database holds about the study itself: the one place that writes and reads it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import optuna
from optuna.trial import FrozenTrial

from hpo.study.config import FOLDER, StudyConfig
from hpo.study.errors import StudyError
from hpo.study.trials import TrialRecord, ranked

BASELINE = "pixel 1-NN"
"""The baseline that is scored on a study's own validation trials, and the key of its accuracy."""

_KEYS = {
    "description": "description",
    "versions": "versions",
    "config": "definition",
    "beside": "beside_definition",
    "data": "data",
    "baseline": BASELINE,
    "enqueued": "taken_over",
}
"""The keys of the attributes in the database, those of its first versions."""


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """A study, as its database has it; what it lacks is empty or None.

    Attributes:
        config: the config's flat identity, such as ``{"search.seed": 0, ...}``; None if the study
            was not created by this project.
        beside: what else of the config later commands need, such as ``{"search.trials": 200}``.
        description: of the study, one sentence.
        versions: of the packages that it was created with, by name.
        data: ``name`` and ``digest`` of its data set, and of a user's own folder ``source`` and,
            where it was last found, ``path``; None until it has begun.
        baseline: accuracy of `BASELINE` on its validation trials, in [0, 1].
        enqueued: configurations enqueued from other studies: ``study``, ``first``, ``values``.
    """

    config: Mapping[str, Any] | None = None
    beside: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] | None = None
    baseline: float | None = None
    enqueued: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, study: optuna.Study) -> Self:
        """Return the study's record; reads the database once."""
        attributes = study.user_attrs
        return cls(**{n: attributes[key] for n, key in _KEYS.items() if key in attributes})


def record_study(study: optuna.Study, **values: Any) -> None:
    """Write these attributes of `StudyRecord`, in this order, given as plain JSON values."""
    for name, value in values.items():
        study.set_user_attr(_KEYS[name], value)


def record_baseline(study: optuna.Study, accuracy: float) -> None:
    """Write the accuracy of `BASELINE`, in [0, 1], on the study's validation trials."""
    record_study(study, baseline=accuracy)


def complete_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the complete trials, the best first, no configuration twice.

    Raises:
        StudyError: there is none.
    """
    trials = study.get_trials(deepcopy=False)
    known = [TrialRecord.of(trial) for trial in trials]
    best = [trials[each.number] for each in ranked(known)]
    if not best:
        reasons = {each.failure for each in known if each.failure}
        why = f" (failed: {sorted(reasons)[0]})" if reasons else ""
        raise StudyError(
            f"study {study.study_name} has {len(trials)} trials but no complete one{why}; "
            "run it until it has"
        )
    return [t for i, t in enumerate(best) if all(t.params != other.params for other in best[:i])]


def trial_numbered(study: optuna.Study, number: int) -> FrozenTrial:
    """Return a trial whose configuration is known.

    Raises:
        StudyError: there is none of this number.
    """
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        raise StudyError(f"there is no trial {number}; the study has {len(trials)}, from 0")
    if not trials[number].params:
        raise StudyError(f"trial {number} has no configuration yet; run the study first")
    return trials[number]


def refuse_other_config(record: StudyRecord, name: str, config: StudyConfig) -> None:
    """Refuse to go on with the study ``name`` if it was started with another config.

    Raises:
        StudyError: it was; says what differs.
    """
    from data.sources.table import is_folder  # with torch, which a mere reader does not need

    if record.config is None:
        return
    known = {key: value for key, value in record.config.items() if value is not None}
    now = config.identity()
    if is_folder(known.get("data.dataset", "auto")):
        known["data.dataset"] = FOLDER
    if known == now:
        return
    lines = [
        f"  {key}: was {_shown(known, key)}, now {_shown(now, key)}"
        for key in sorted(known.keys() | now.keys())
        if _shown(known, key) != _shown(now, key)
    ]
    raise StudyError(
        f"study {name} was started with other settings:\n"
        + "\n".join(lines)
        + "\nResume it with those, or start another study: another --out or file name"
        + (known.get("data.dataset") == FOLDER != now.get("data.dataset"))
        * "; --dataset says where the folder of images is"
    )


def _shown(flat: dict[str, Any], key: str) -> str:
    return json.dumps(flat[key]) if key in flat else "not there"
