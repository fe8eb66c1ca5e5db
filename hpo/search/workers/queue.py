"""Who runs which trial: slots of the total, dead trials, and trying those again.

A trial is claimed under the study's lock, so that any number of processes end at exactly the
total. All is read off the trials themselves, and each step leaves a state from which any other
process goes on, so that a process may die anywhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from hpo.search.workers.heartbeat import WORKER, HeartbeatMonitor, this_process
from hpo.study.samplers.table import trial_seed
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.retry import retrying
from hpo.study.trials import FINISHED, HISTORY, SUGGESTED, configurations_begun, root

ATTEMPTS = 6
"""How often a configuration is tried whose process dies: a net that kills every process that
trains it must not do so for ever."""


def next_trial(
    study: optuna.Study,
    location: StudyLocation,
    total: int,
    *,
    seed: int,
    initial_configurations: Sequence[Mapping[str, Any]] = (),
    monitor: HeartbeatMonitor | None = None,
) -> optuna.Trial | None:
    """Return a trial for this process to run, or None if every slot is finished or taken.

    Args:
        study: the study.
        place: its place, for its lock.
        total: how many trials are to finish.
        seed: the study's.
        starts: the configurations tried first.
        watch: what this process has seen of the others at its earlier claims.

    Raises:
        StudyError: the database cannot be used, or is away for too long.
    """
    monitor = monitor or HeartbeatMonitor()

    def once() -> optuna.Trial | None:
        try:
            return _next_trial(study, location, total, seed, initial_configurations, monitor)
        except Exception:
            monitor.forget()
            raise

    return retrying(once)


def _next_trial(
    study: optuna.Study,
    location: StudyLocation,
    total: int,
    seed: int,
    initial_configurations: Sequence[Mapping[str, Any]],
    monitor: HeartbeatMonitor,
) -> optuna.Trial | None:
    storage = study._storage
    with location.exclusive():
        _fail_dead(study, monitor)
        _queue_again(study)
        trials = study.get_trials(deepcopy=False)
        states = Counter(trial.state for trial in trials)
        if states[TrialState.RUNNING] + sum(states[state] for state in FINISHED) >= total:
            return None
        if not states[TrialState.WAITING]:
            ordinal = configurations_begun(study)
            values = (
                dict(initial_configurations[ordinal])
                if ordinal < len(initial_configurations)
                else {}
            )
            study.enqueue_trial(values, user_attrs={"seed": trial_seed(seed, ordinal)})
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))[0]
        # In this order a trial that runs always says whose it is.
        storage.set_trial_user_attr(waiting._trial_id, WORKER, this_process())
        storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING)
    return optuna.Trial(study, waiting._trial_id)


def open_configurations(study: optuna.Study) -> set[int]:
    """Return the roots of the configurations that are running, waiting or to be tried again."""
    trials = study.get_trials(deepcopy=False)
    open_states = (TrialState.RUNNING, TrialState.WAITING)
    return {root(trial) for trial in trials if trial.state in open_states} | {
        root(trial) for trial in _to_try_again(trials)
    }


def _fail_dead(study: optuna.Study, monitor: HeartbeatMonitor) -> None:
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in monitor.dead(running):
        try:
            study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
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
            # Its history and its pictures, if it came so far, are made again.
            "system_attrs": {
                key: value
                for key, value in trial.system_attrs.items()
                if key != HISTORY and not key.startswith("artifacts:")
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
