"""The queue of trials: who runs which one, up to the total, and retries of dead ones.

A worker takes a trial under the study's lock, so that any number of processes end at exactly the
total; and no trial is given twice even where the lock fails. All state is in the trials themselves,
and after each step any other process can continue, so that a process may die anywhere.
"""

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from hpo.search.workers.heartbeat import HEARTBEAT_SECONDS, HeartbeatMonitor, this_process
from hpo.search.workers.stops import note_of, notes
from hpo.study.attempts import configurations_begun, pending, to_retry
from hpo.study.errors import ConfigError
from hpo.study.samplers.asha import PromotionPruner, may_go_on, to_promote
from hpo.study.samplers.table import trial_seed
from hpo.study.space.search_space import SearchSpace
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.retry import retrying
from hpo.study.trials import (
    FINISHED,
    TrialRecord,
    claim,
    enqueue,
    enqueue_promotion,
    enqueue_retry,
    enqueued_values,
    original_number,
    reconfigure,
    record_failure,
    record_stopped,
    records,
)

ATTEMPTS = 6
"""So many processes may die of a configuration without getting further than its last checkpoint: a
net that kills every process that trains it must not do so for ever."""

_log = logging.getLogger(__name__)


def next_trial(
    study: optuna.Study,
    location: StudyLocation,
    total: int,
    *,
    seed: int,
    initial_configurations: Sequence[Mapping[str, Any]] = (),
    monitor: HeartbeatMonitor | None = None,
    space: SearchSpace | None = None,
) -> optuna.Trial | None:
    """Return a trial for this process to run, or None if every slot is finished or taken.

    Args:
        study: the study.
        location: where it is kept, for its lock.
        total: how many trials are to finish.
        seed: the study's.
        initial_configurations: those tried first.
        monitor: what this process has seen of the others in earlier calls.
        space: the study's; a trial that others enqueued with a value outside it is refused.

    Raises:
        StudyError: the database cannot be used, or is away for too long.
    """
    monitor = monitor or HeartbeatMonitor()

    def once() -> optuna.Trial | None:
        try:
            return _next_trial(study, location, total, seed, initial_configurations, monitor, space)
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
    space: SearchSpace | None,
) -> optuna.Trial | None:
    asked = time.monotonic()
    with location.exclusive():
        if time.monotonic() - asked > HEARTBEAT_SECONDS:
            # Who held the study that long may have held up the heartbeats too.
            monitor.forget()
        _fail_dead(study, monitor, location.folder)
        _enqueue_retries(study)
        if space is not None:
            _refuse_foreign(study, space)
        trials, rungs = study.get_trials(deepcopy=False), _rungs(study)
        states = Counter(trial.state for trial in trials)
        taken = {original_number(t) for t in trials if t.state in (TrialState.RUNNING, *FINISHED)}
        if not states[TrialState.WAITING]:
            settled = len(taken) >= total and not states[TrialState.RUNNING]
            if paused := to_promote(trials, rungs, settled=settled):
                enqueue_promotion(study, paused)
            elif len(taken) < total:
                ordinal = configurations_begun(study)
                values = _values(initial_configurations, ordinal)
                enqueue(study, values, trial_seed(seed, ordinal))
        _separate_doubles(study, seed, initial_configurations)
        for waiting in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            # One that was promoted has been counted.
            if len(taken) >= total and original_number(waiting) not in taken:
                continue
            # Should another process be here too, the lock broken, one alone is given the trial.
            if claim(study, waiting._trial_id, this_process()):
                return optuna.Trial(study, waiting._trial_id)
    return None


def _rungs(study: optuna.Study) -> tuple[int, ...]:
    return study.pruner.rungs if isinstance(study.pruner, PromotionPruner) else ()


def _values(initial: Sequence[Mapping[str, Any]], ordinal: int) -> dict[str, Any]:
    return dict(initial[ordinal]) if ordinal < len(initial) else {}


def _separate_doubles(study: optuna.Study, seed: int, initial: Sequence[Mapping[str, Any]]) -> None:
    """Let no configuration wait that another trial has.

    A process may append a trial when its lock on a server is already another's: one that was killed
    while its commit was under way, or that was frozen while the server went down and came back.
    """
    ordinal, seeds, going_on = 0, set[int | None](), set[tuple[int, int | None]]()
    for trial in study.get_trials(deepcopy=False):
        record = TrialRecord.of(trial)
        waits = record.state == TrialState.WAITING
        with suppress(UpdateFinishedTrialError):
            if record.original_number != record.number:
                if waits and record.attempt in going_on:
                    _end_as_stopped(study, trial._trial_id)
                    continue
            else:
                if waits and record.seed is not None and record.seed in seeds:
                    own = trial_seed(seed, ordinal)
                    reconfigure(study._storage, trial._trial_id, _values(initial, ordinal), own)
                    seeds.add(own)
                seeds.add(record.seed)
                ordinal += not record.refused
        if record.state != TrialState.FAIL:
            going_on.add(record.attempt)


def open_configurations(study: optuna.Study) -> set[int]:
    """Return the original numbers of the configurations whose checkpoints are needed.

    Those running, waiting, to be retried, or paused at a rung with a chance to go on.
    """
    paused = may_go_on(study.get_trials(deepcopy=False), _rungs(study))
    return pending(records(study)) | paused


def release(study: optuna.Study, processes: Collection[Mapping[str, Any]]) -> None:
    """End the running trials of processes that were stopped on request, to be tried again."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if TrialRecord.of(trial).worker in processes:
            with suppress(UpdateFinishedTrialError):
                _end_as_stopped(study, trial._trial_id)


def _end_as_stopped(study: optuna.Study, trial_id: int) -> None:
    record_stopped(study._storage, trial_id)
    study._storage.set_trial_state_values(trial_id, TrialState.FAIL)


def _refuse_foreign(study: optuna.Study, space: SearchSpace) -> None:
    """Fail, with the reason, the waiting trials with a value outside the space.

    Optuna's command line and dashboard enqueue any value.
    """
    storage = study._storage
    for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        try:
            space.check(enqueued_values(trial))
        except ConfigError as error:
            if storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                _log.warning("trial %d was enqueued, but is refused: %s", trial.number, error)
                record_failure(storage, trial._trial_id, f"refused: {error}", refused=True)
                storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


def _fail_dead(study: optuna.Study, monitor: HeartbeatMonitor, folder: Path) -> None:
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    dead, noted = monitor.dead(running), notes(folder)
    for trial in dead:
        record = TrialRecord.of(trial)
        try:
            if note_of(record.worker) in noted:
                record_stopped(study._storage, trial._trial_id)
            else:
                _give_up(study, record, trial._trial_id)
            study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            # It was alive after all, and finished this moment.
            continue
    ending = {note_of(TrialRecord.of(trial).worker) for trial in running if trial not in dead}
    for name in noted.keys() - ending:
        with suppress(OSError):
            noted[name].unlink()


def _give_up(study: optuna.Study, trial: TrialRecord, trial_id: int) -> None:
    """Say and record that the configuration of a dead trial is not tried again, if that is so."""
    if trial.stopped or trial.failure is not None:
        return
    attempts = _attempts(records(study), trial)
    deaths = _deaths(attempts) + 1
    if deaths >= ATTEMPTS:
        reached = max(attempt.resumed_after_epoch or 0 for attempt in attempts)
        where = f"epoch {reached}, its last checkpoint" if reached else "a first checkpoint"
        reason = f"given up: {deaths} processes died before it got beyond {where}"
        _log.warning("trial %d: %s", trial.number, reason)
        record_failure(study._storage, trial_id, reason)


def _enqueue_retries(study: optuna.Study) -> None:
    trials = study.get_trials(deepcopy=False)
    for record in to_retry([TrialRecord.of(trial) for trial in trials]):
        enqueue_retry(study, trials[record.number])


def _attempts(trials: Iterable[TrialRecord], trial: TrialRecord) -> list[TrialRecord]:
    return [other for other in trials if other.original_number == trial.original_number]


def _deaths(attempts: Sequence[TrialRecord]) -> int:
    """Return how many processes died of a configuration since one last got to a checkpoint."""
    reached, deaths = 0, 0
    for trial in attempts:
        if (trial.resumed_after_epoch or 0) > reached:
            reached, deaths = trial.resumed_after_epoch or 0, 0
        deaths += trial.is_interrupted and not trial.stopped
    return deaths
