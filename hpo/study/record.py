"""What a study's database holds about the study itself: the one place that writes and reads it."""

import json
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

import optuna
from optuna.trial import FrozenTrial, TrialState
from pydantic import AfterValidator, Field

from hpo.study.attempts import configurations_begun
from hpo.study.config import FOLDER, StudyConfig, spelled_out
from hpo.study.errors import StudyError, refuse_impossible
from hpo.study.trials import Record, TrialRecord, enqueued_values, ranked

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


def _named(data: Mapping[str, str]) -> Mapping[str, str]:
    if not {"name", "digest"} <= data.keys():
        raise ValueError("name and digest of the data set are missing")
    return data


def _of_parameters(config: Mapping[str, Any]) -> Mapping[str, Any]:
    for key, value in config.items():
        inner = key.startswith(("parameters.", "start."))
        if isinstance(value, dict) != inner or isinstance(value, list):
            raise ValueError(f"{key} = {json.dumps(value)} cannot be")
        if key.startswith("start.") and not key.removeprefix("start.").isdecimal():
            raise ValueError(f"{key} is no number of a start")
        if key == "data.dataset" and not isinstance(value, str):
            raise ValueError(f"{key} = {json.dumps(value)} is no name")
        if key in _COUNTS and (type(value) is not int or value < 0):
            raise ValueError(f"{key} = {json.dumps(value)} is no whole number")
    return config


DataIdentity = Annotated[Mapping[str, str], AfterValidator(_named)]
"""``name`` and ``digest`` of a data set, and whatever else is said of it."""

_COUNTS = {"data.image_size", "budget.pairs_per_epoch", "validation.trials", "validation.way"}


def _of_one_study(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    kinds = {"study": str, "first": int, "values": list}
    if any(type(entry.get(name)) is not kind for name, kind in kinds.items()):
        raise ValueError("study, first or values is missing or of another type")
    if not all(isinstance(values, dict) for values in entry["values"]):
        raise ValueError("values holds what is no configuration")
    return entry


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

    config: Annotated[Mapping[str, Any], AfterValidator(_of_parameters)] | None = None
    beside: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    data: DataIdentity | None = None
    baseline: Annotated[float, Field(ge=0, le=1)] | None = None
    enqueued: Sequence[Annotated[Mapping[str, Any], AfterValidator(_of_one_study)]] = ()

    @classmethod
    def of(cls, study: optuna.Study) -> Self:
        """Return the study's record; reads the database once.

        Raises:
            StudyError: the database holds what no version has written; says which attribute.
        """
        attributes = study.user_attrs
        known = {n: attributes[key] for n, key in _KEYS.items() if key in attributes}
        refuse_impossible(cls, known, f"study {study.study_name}")
        return cls(**known)


def record_study(study: optuna.Study, **values: Any) -> None:
    """Write these attributes of `StudyRecord`, in this order, given as plain JSON values."""
    for name, value in values.items():
        study.set_user_attr(_KEYS[name], value)


def record_baseline(study: optuna.Study, accuracy: float) -> None:
    """Write the accuracy of `BASELINE`, in [0, 1], on the study's validation trials."""
    record_study(study, baseline=accuracy)


def candidates(trials: Iterable[Record]) -> list[Record]:
    """Return a trial of each configuration that may be chosen, the best first.

    The complete ones, as `ranked`, and then those that are paused: the highest rung first, on each
    the best first. One that diverged or collapsed after its rung is not among them.
    """
    known = list(trials)
    over = {t.original_number for t in known if t.is_complete or t.diverged or t.collapsed}
    paused = {t.original_number: t for t in known if t.paused and t.original_number not in over}
    rising = sorted(
        paused.values(), key=lambda trial: (-trial.epochs, -(trial.accuracy or 0.0), trial.number)
    )
    return [*ranked(known), *rising]


def paused_in_words(trial: TrialRecord) -> str:
    """Return ``, paused after epoch N`` for a paused trial, nothing for any other."""
    return f", paused after epoch {trial.epochs}" if trial.paused else ""


def kinds_in_words(trials: Iterable[TrialRecord]) -> str:
    """Return what `candidates` are: ``complete``, or ``complete or paused``."""
    return "complete or paused" if any(trial.paused for trial in trials) else "complete"


def best_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the `candidates` of a study, the best first, no configuration twice.

    Raises:
        StudyError: there is none.
    """
    trials = _by_number(study)
    known = [TrialRecord.of(trial) for trial in trials]
    best = [trials[each.number] for each in candidates(known)]
    if not trials:
        raise StudyError(f"study {study.study_name} has no trials yet; run it first")
    if not best:
        reasons = {each.failure for each in known if each.failure}
        why = f" (failed: {sorted(reasons)[0]})" if reasons else ""
        raise StudyError(
            f"study {study.study_name} has {len(trials)} trials but no complete one{why}; "
            "run it until it has"
        )
    return [t for i, t in enumerate(best) if all(t.params != other.params for other in best[:i])]


def _by_number(study: optuna.Study) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False)
    if (numbers := [trial.number for trial in trials]) != [*range(len(trials))]:
        raise StudyError(
            f"the study's database is damaged, or was changed by hand: the numbers of study "
            f"{study.study_name}'s trials are {reprlib.repr(numbers)}. It is left as it is: put a "
            "backup in its place, or start anew with another --out"
        )
    return trials


def trial_numbered(
    study: optuna.Study, number: int, starts: Sequence[Mapping[str, Any]] = ()
) -> FrozenTrial:
    """Return a trial whose configuration is known, as that of a start is before it has been tried.

    ``starts`` are the study's initial configurations, by the numbers that their trials will have.

    Raises:
        StudyError: there is none of this number.
    """
    trials = _by_number(study)
    if number in range(len(starts)) and _will_be(study, number, starts[number]):
        return FrozenTrial(
            number=number,
            state=TrialState.WAITING,
            value=None,
            datetime_start=None,
            datetime_complete=None,
            params=dict(starts[number]),
            distributions={},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
            trial_id=-1,
        )
    if not 0 <= number < len(trials):
        raise StudyError(f"there is no trial {number}; the study has {len(trials)}, from 0")
    if not trials[number].params:
        raise StudyError(f"trial {number} has no configuration yet; run the study first")
    return trials[number]


def _will_be(study: optuna.Study, number: int, start: Mapping[str, Any]) -> bool:
    """Return whether the trial of this number has no configuration yet, and will have that one."""
    trials = study.get_trials(deepcopy=False)
    if number < len(trials):
        return not trials[number].params and enqueued_values(trials[number]) == start
    # Each trial before it is a start, or stands for one, unless it was refused or is a retry.
    return configurations_begun(study) == len(trials)


def refuse_other_config(record: StudyRecord, name: str, config: StudyConfig) -> None:
    """Refuse to go on with the study ``name`` if it was started with another config.

    Raises:
        StudyError: it was; says what differs.
    """
    from data.sources.table import is_folder  # with torch, which a mere reader does not need

    if record.config is None:
        return
    known, now = spelled_out(record.config), spelled_out(config.identity())
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
