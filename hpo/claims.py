"""Who runs which trial: slots of the total, dead trials, and trying those again.

A trial is claimed under the study's lock, so that any number of processes end at exactly the
total. All is read off the trials themselves, and each step leaves a state from which any other
process goes on, so that a process may die anywhere.
"""

import os
import socket
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import optuna
import psutil
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from hpo.place import HEARTBEAT_SECONDS, Place
from hpo.samplers import trial_seed

ATTEMPTS = 6
"""How often a configuration is tried whose process dies: a net that kills every process that
trains it must not do so for ever."""

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)

SUGGESTED = "parameters"
"""The user attribute, a net's parameter count, that says that all of a trial is suggested."""


def finished(study: optuna.Study) -> int:
    """Return how many trials count towards the total."""
    return len(study.get_trials(deepcopy=False, states=FINISHED))


def root(trial: FrozenTrial | optuna.Trial) -> int:
    """Return the number of the trial that first tried this trial's configuration."""
    number: int = trial.user_attrs.get("retry_of", trial.number)
    return number


def claim(
    study: optuna.Study,
    place: Place,
    total: int,
    *,
    seed: int,
    starts: Sequence[Mapping[str, Any]] = (),
) -> optuna.Trial | None:
    """Return a trial for this process to run, or None if every slot is finished or taken.

    Args:
        study: the study.
        place: its place, for its lock.
        total: how many trials are to finish.
        seed: the study's.
        starts: the configurations tried first.
    """
    storage = study._storage
    with place.exclusive():
        _fail_dead(study)
        _queue_again(study)
        trials = study.get_trials(deepcopy=False)
        states = Counter(trial.state for trial in trials)
        if states[TrialState.RUNNING] + sum(states[state] for state in FINISHED) >= total:
            return None
        if not states[TrialState.WAITING]:
            ordinal = sum("retry_of" not in trial.user_attrs for trial in trials)
            values = dict(starts[ordinal]) if ordinal < len(starts) else {}
            study.enqueue_trial(values, user_attrs={"seed": trial_seed(seed, ordinal)})
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))[0]
        # In this order a trial that runs always has a heartbeat to go stale.
        storage.set_trial_user_attr(waiting._trial_id, "worker", _this_process())
        storage.record_heartbeat(waiting._trial_id)  # type: ignore[attr-defined]
        storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING)
    return optuna.Trial(study, waiting._trial_id)


def unsettled(study: optuna.Study) -> set[int]:
    """Return the roots of the configurations that are running, waiting or to be tried again."""
    trials = study.get_trials(deepcopy=False)
    open_states = (TrialState.RUNNING, TrialState.WAITING)
    return {root(trial) for trial in trials if trial.state in open_states} | {
        root(trial) for trial in _to_try_again(trials)
    }


class Heartbeat:
    """Says, while its block runs, that ``trial`` is alive."""

    def __init__(self, study: optuna.Study, trial: optuna.Trial):
        self._storage, self._trial_id = study._storage, trial._trial_id
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._done.wait(HEARTBEAT_SECONDS):
            try:
                self._storage.record_heartbeat(self._trial_id)  # type: ignore[attr-defined]
            except StorageInternalError:
                # The next beat may reach it; the grace is several beats long.
                continue


def _fail_dead(study: optuna.Study) -> None:
    storage = study._storage
    stale = set(storage._get_stale_trial_ids(study._study_id))  # type: ignore[attr-defined]
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial._trial_id in stale or _is_dead(trial.user_attrs.get("worker")):
            try:
                storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            except UpdateFinishedTrialError:
                # It was alive after all, and finished this moment.
                continue


def _queue_again(study: optuna.Study) -> None:
    for trial in _to_try_again(study.get_trials(deepcopy=False)):
        attributes = {"retry_of": root(trial)}
        if "seed" in trial.user_attrs:
            attributes["seed"] = trial.user_attrs["seed"]
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.WAITING,
                user_attrs=attributes,
                **_configuration(trial),
            )
        )


def _configuration(trial: FrozenTrial) -> dict[str, Any]:
    if SUGGESTED in trial.user_attrs:
        return {
            "params": trial.params,
            "distributions": trial.distributions,
            # Its pictures, if it came so far, are made again.
            "system_attrs": {
                key: value
                for key, value in trial.system_attrs.items()
                if not key.startswith("artifacts:")
            },
        }
    # It died while its parameters were being drawn. Drawn anew from its seed they come out the
    # same, but not if the first few were given and the others took their random numbers.
    system = trial.system_attrs
    return {"system_attrs": {key: system[key] for key in system if key == "fixed_params"}}


def _to_try_again(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that died, whose configuration has not been queued since."""
    attempts = Counter(root(trial) for trial in trials)
    latest = {root(trial): trial for trial in trials}
    return [
        trial
        for trial in latest.values()
        if trial.state == TrialState.FAIL
        and "failure" not in trial.user_attrs
        and attempts[root(trial)] < ATTEMPTS
    ]


@cache
def _machine() -> str:
    """Return what tells this machine's process ids from another's."""
    parts = [socket.gethostname()]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        lambda: os.readlink("/proc/self/ns/pid"),
    ):
        try:
            parts.append(read())
        except OSError:
            parts.append("-")
    return " ".join(parts)


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"machine": _machine(), "pid": pid, "started": _started(pid)}


def _is_dead(worker: Mapping[str, Any] | None) -> bool:
    """Return whether the process ran on this machine and is gone."""
    if worker is None or worker.get("machine") != _machine():
        return False
    return _started(worker["pid"]) != worker["started"]


def _started(pid: int) -> str | None:
    """Return when the process started, None if there is no such process."""
    try:
        # In ticks since the machine's own start, which no setting of the clock changes.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state == "Z" else fields[18]
    except OSError:
        pass
    try:
        process = psutil.Process(pid)
        gone = process.status() == psutil.STATUS_ZOMBIE
        return None if gone else str(process.create_time())
    except psutil.NoSuchProcess:
        return None
