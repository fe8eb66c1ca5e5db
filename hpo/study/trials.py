"""What a study's database holds about each trial, under string keys that this module alone knows.

They stay: a database of any earlier version opens."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import BaseTrial, FrozenTrial, TrialState, create_trial
from pydantic import AfterValidator

from hpo.study.errors import refuse_impossible

if TYPE_CHECKING:
    from model.training.epoch import EpochResult

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
"""The states that count towards a study's total."""

_SEED, _PARAMETERS, _RETRY_OF, _FAILURE = "seed", "parameters", "retry_of", "failure"
_PROMOTED, _PAUSED = "promoted_after_epoch", "paused"
_VERSIONS, _WORKER = "versions", "worker"
_LONG = {_VERSIONS, _WORKER, _FAILURE}
"""Kept among the system attributes: the dashboard shows the user attributes of a trial on its page,
which each of these would make wider than the window. Version 0.1.0 kept them there."""
_READ_AS_THEY_ARE = {
    *(_SEED, _PARAMETERS, "device", "resumed_after_epoch", "heartbeats", "stopped", "refused"),
    *("best_epoch", "verification_accuracy", "pairs_seen", "seconds", "diverged", "collapsed"),
    *(_PROMOTED, _PAUSED, *_LONG),
}
"""Attributes that are kept under the names that they have in `TrialRecord`."""
_HISTORY, _FIXED, _ARTIFACT = "history", "fixed_params", "artifacts:"


def _of_an_epoch(result: Mapping[str, Any]) -> Mapping[str, Any]:
    if {type(result.get(name)) for name in ("seconds", "pairs_seen")} - {int, float}:
        raise ValueError("seconds or pairs_seen of an epoch is no number")
    return result


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial, as its study's database has it.

    Attributes:
        accuracy: best one-shot validation accuracy of its epochs so far, in [0, 1], if any.
        params: the suggested values, by name.
        distributions: what each was suggested from.
        epochs: how many epochs it trained.
        seed: of its net, its pairs and its sampler; None until the trial is claimed.
        parameters: parameter count of its net; None until all of its values are suggested.
        device: what it trained on.
        versions: of the packages that it ran with, in one line.
        best_epoch: the epoch of its best accuracy, counted from 1; None until its training ended.
        verification_accuracy: of that epoch, in [0, 1].
        pairs_seen: in training; None until its training ended.
        seconds: of training and validation; of a trial that failed with an error, all of its time;
            0 otherwise, for a retry from the checkpoint of a dead process counts them all.
        diverged: whether its training diverged.
        collapsed: whether it fell back to chance and was ended; if it is complete, it counts with
            its best epoch.
        failure: the error that it failed with; None if it did not fail, or if its process died.
        stopped: whether its process was asked to stop, by Ctrl-C or SIGTERM.
        refused: whether it was enqueued with a value outside the search space, and so never run.
        original_number: the first trial of its configuration: its own number unless it is a retry
            or was promoted.
        paused: whether it was paused at a rung, from which another may go on.
        promoted_after_epoch: the rung from which it goes on with a paused trial; None for others.
        resumed_after_epoch: the epoch whose checkpoint it resumed from, if it did.
        worker: what identifies the process that runs it, or ran it.
        heartbeats: how often that process has reported that it is alive.
        history: `EpochResult` of each epoch as a dictionary, None for a number that is not finite.
    """

    number: int
    state: TrialState
    accuracy: float | None
    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]
    started: datetime | None
    ended: datetime | None
    epochs: int
    seed: int | None = None
    parameters: int | None = None
    device: str | None = None
    versions: str | None = None
    best_epoch: int | None = None
    verification_accuracy: float | None = None
    pairs_seen: int | None = None
    seconds: float
    diverged: bool = False
    collapsed: bool = False
    failure: str | None = None
    stopped: bool = False
    refused: bool = False
    original_number: int
    paused: bool = False
    promoted_after_epoch: int | None = None
    resumed_after_epoch: int | None = None
    worker: Mapping[str, Any] | None = None
    heartbeats: int = 0
    history: Sequence[Annotated[Mapping[str, Any], AfterValidator(_of_an_epoch)]]

    @classmethod
    def of(cls, trial: FrozenTrial) -> Self:
        """Return the record of a trial as read from its study, or raise a `StudyError`."""
        kept = {n: value for n, value in trial.user_attrs.items() if n in _READ_AS_THEY_ARE}
        kept |= {n: v for n, v in trial.system_attrs.items() if n in _LONG | {_HISTORY}}
        kept["original_number"] = original_number(trial)
        refuse_impossible(cls, kept, f"trial {trial.number}")
        reported = [value for value in trial.intermediate_values.values() if math.isfinite(value)]
        complete = trial.state == TrialState.COMPLETE
        lasted = trial.duration.total_seconds() if trial.duration and _FAILURE in kept else 0.0
        return cls(
            number=trial.number,
            state=trial.state,
            accuracy=trial.value if complete else max(reported, default=None),
            params=trial.params,
            distributions=trial.distributions,
            started=trial.datetime_start,
            ended=trial.datetime_complete,
            epochs=max(trial.intermediate_values, default=0),
            **{"seconds": lasted, _HISTORY: (), **kept},
        )

    @property
    def is_complete(self) -> bool:
        """Whether it is complete; the study's best trial is one of those."""
        return self.state == TrialState.COMPLETE and self.accuracy is not None

    @property
    def attempt(self) -> tuple[int, int | None]:
        """What it shares with its retries, and with no other trial: configuration and rung."""
        return self.original_number, self.promoted_after_epoch

    @property
    def is_interrupted(self) -> bool:
        """Whether its process was stopped or died, so that another trial goes on with it."""
        return self.state == TrialState.FAIL and self.failure is None


Record = TypeVar("Record", bound=TrialRecord)


def records(study: optuna.Study) -> list[TrialRecord]:
    """Return every trial of the study, by number."""
    return [TrialRecord.of(trial) for trial in study.get_trials(deepcopy=False)]


def ranked(trials: Iterable[Record]) -> list[Record]:
    """Return the complete trials, the best first, of equals the earlier one."""
    complete = [trial for trial in trials if trial.is_complete]
    return sorted(complete, key=lambda trial: (-(trial.accuracy or 0.0), trial.number))


def seed_of(trial: BaseTrial | FrozenTrial) -> int | None:
    """Return the trial's seed, None if it was given none."""
    return trial.user_attrs.get(_SEED)


def original_number(trial: BaseTrial | FrozenTrial) -> int:
    """Return the number of the first trial of this trial's configuration."""
    number: int = trial.user_attrs.get(_RETRY_OF, trial.number)
    return number


def promoted_after_epoch(trial: BaseTrial | FrozenTrial) -> int | None:
    """Return the rung from which a trial goes on with a paused one, None if it does not."""
    epoch: int | None = trial.user_attrs.get(_PROMOTED)
    return epoch


def is_paused(trial: BaseTrial | FrozenTrial) -> bool:
    """Return whether a trial was paused at a rung, from which another may go on."""
    return bool(trial.user_attrs.get(_PAUSED, False))


def enqueued_values(trial: FrozenTrial) -> dict[str, Any]:
    """Return the values that a waiting trial is to have, by name, whoever enqueued it."""
    return {**trial.system_attrs.get(_FIXED, {}), **trial.params}


def enqueue(study: optuna.Study, values: Mapping[str, Any], seed: int) -> None:
    """Append a waiting trial; what ``values`` leaves out is sampled with ``seed``."""
    study.enqueue_trial(dict(values), user_attrs={_SEED: seed})


def reconfigure(storage: BaseStorage, trial_id: int, values: Mapping[str, Any], seed: int) -> None:
    """Give a trial that waits other values and another seed; see `enqueue`."""
    storage.set_trial_system_attr(trial_id, _FIXED, dict(values))
    storage.set_trial_user_attr(trial_id, _SEED, seed)


def enqueue_retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """Append a waiting trial with the configuration and the seed of one whose process died."""
    _enqueue_again(study, trial, {k: v for k, v in trial.user_attrs.items() if k == _PROMOTED})


def enqueue_promotion(study: optuna.Study, trial: FrozenTrial) -> None:
    """Append a waiting trial that goes on with one that is paused at a rung."""
    _enqueue_again(study, trial, {_PROMOTED: trial.last_step})


def _enqueue_again(study: optuna.Study, trial: FrozenTrial, more: Mapping[str, Any]) -> None:
    # The parameter count says that all values are known, also if this one dies before its start.
    kept = {key: trial.user_attrs[key] for key in (_SEED, _PARAMETERS) if key in trial.user_attrs}
    attributes = {_RETRY_OF: original_number(trial), **kept, **more}
    study.add_trial(
        create_trial(state=TrialState.WAITING, user_attrs=attributes, **_configuration(trial))
    )


def _configuration(trial: FrozenTrial) -> dict[str, Any]:
    system = trial.system_attrs
    if _PARAMETERS not in trial.user_attrs:
        # It died while its values were being suggested. Suggested anew from its seed they come out
        # the same, but not if the first few were given and the rest took their random numbers.
        return {"system_attrs": {key: system[key] for key in system if key == _FIXED}}
    own = _LONG | {_HISTORY}
    kept = {k: v for k, v in system.items() if k not in own and not k.startswith(_ARTIFACT)}
    return {"params": trial.params, "distributions": trial.distributions, "system_attrs": kept}


def claim(study: optuna.Study, trial_id: int, worker: Mapping[str, Any]) -> bool:
    """Let a process run a waiting trial; return False if another does.

    Raises:
        StudyError: the database cannot be used, or is away for too long.
    """
    # Optuna puts a cache of finished trials before the study's database.
    return bool(study._storage._backend.claim(trial_id, _WORKER, dict(worker)))  # type: ignore[attr-defined]


def record_heartbeat(storage: BaseStorage, trial_id: int, beats: int) -> None:
    """Write how often the trial's process has reported that it is alive."""
    storage.set_trial_user_attr(trial_id, "heartbeats", beats)


def record_seed(trial: BaseTrial, seed: int) -> None:
    """Write the seed of a trial that was given none."""
    trial.set_user_attr(_SEED, seed)


def record_start(trial: BaseTrial, *, parameters: int, device: str, versions: str) -> None:
    """Write that all values are suggested, the net's parameter count, device and versions."""
    trial.set_user_attr(_PARAMETERS, parameters)
    trial.set_user_attr("device", device)
    if isinstance(trial, optuna.Trial):
        trial.storage.set_trial_system_attr(trial._trial_id, _VERSIONS, versions)


def record_resume(trial: BaseTrial, epoch: int) -> None:
    """Write that the trial resumed from the checkpoint after this epoch."""
    trial.set_user_attr("resumed_after_epoch", epoch)


def record_paused(trial: BaseTrial) -> None:
    """Write that the trial is paused at a rung, from which another may go on."""
    trial.set_user_attr(_PAUSED, True)


def record_result(trial: BaseTrial, history: "Sequence[EpochResult]") -> None:
    """Write what a training ended with, pruned or not; ``history`` has at least one epoch."""
    best = max(history, key=lambda result: result.one_shot_accuracy)
    attributes: dict[str, Any] = {
        "best_epoch": best.epoch,
        "verification_accuracy": best.verification_accuracy,
        "pairs_seen": history[-1].pairs_seen,
        "seconds": round(sum(result.seconds for result in history), 4),
        "diverged": history[-1].diverged,
    }
    if history[-1].collapsed:
        attributes["collapsed"] = True
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    if isinstance(trial, optuna.Trial):
        # Among the user attributes it would clutter the dashboard.
        results = [result.as_json() for result in history]
        trial.storage.set_trial_system_attr(trial._trial_id, _HISTORY, results)


def record_failure(
    storage: BaseStorage, trial_id: int, reason: str, *, refused: bool = False
) -> None:
    """Write why the trial failed; without a reason it counts as died, and is tried again."""
    storage.set_trial_system_attr(trial_id, _FAILURE, reason)
    if refused:
        storage.set_trial_user_attr(trial_id, "refused", True)


def record_stopped(storage: BaseStorage, trial_id: int) -> None:
    """Write that the trial's process was asked to stop, which is no fault of its configuration."""
    storage.set_trial_user_attr(trial_id, "stopped", True)
