"""One worker: take the next trial, run it, tell the study, until none is left."""

import re
import time
import traceback
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass

import optuna
from optuna.exceptions import StorageInternalError, TrialPruned, UpdateFinishedTrialError
from optuna.trial import TrialState

from data.errors import DataError
from hpo.search.hooks import EpochHook, Observer, OnEpoch
from hpo.search.objective import Objective
from hpo.search.warm_start import initial_configurations
from hpo.search.workers.heartbeat import Heartbeat, HeartbeatMonitor, this_process
from hpo.search.workers.queue import next_trial, open_configurations, release
from hpo.search.workers.stops import StopNotes
from hpo.study.attempts import finished
from hpo.study.errors import StudyError
from hpo.study.open import known_identity, open_study, open_there, remember_data
from hpo.study.record import BASELINE, StudyRecord, record_baseline
from hpo.study.run import StudyRun
from hpo.study.samplers.table import quiet
from hpo.study.storage.retry import no_retry, retrying
from hpo.study.trials import FINISHED, original_number, record_failure, records
from hpo.training.checkpoints import Checkpoints
from hpo.training.data import load_data
from model.baselines import BASELINES

FAILURES = 3
"""The study stops after this many failures in a row for one reason."""
MEMORY_FAILURES = 10
"""The same for memory, which may run out for a few large nets and suffice for the next."""

_WAIT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker needs to know; it can be sent to another process or machine.

    Attributes:
        run: the study's.
        total: how many trials are to finish, all workers' together.
        threads: CPU threads to train with, None for all.
        deadline: no trial starts after this time (`time.time`), if given.
        artifacts: given the study once, returns what keeps notes and pictures of its trials; None
            for nothing.
        on_epoch: a hook that is given each epoch of each trial, if there is one.
    """

    run: StudyRun
    total: int
    threads: int | None = None
    deadline: float | None = None
    artifacts: Callable[[optuna.Study, StudyRun], Observer] | None = None
    on_epoch: OnEpoch | None = None


def work(job: Job) -> None:
    """Run trials until the study's total is finished or the deadline is past.

    Raises:
        StudyError: the study cannot be used, or its trials keep failing for one reason.
        DataError: its data cannot be used.
        KeyboardInterrupt: the running trial is released, to resume from its last checkpoint.
    """
    import torch

    if job.threads is not None:
        torch.set_num_threads(job.threads)
    run = job.run
    study = retrying(lambda: open_study(run))
    inputs = load_data(run)
    with run.location.explained():
        retrying(lambda: remember_data(study, run, inputs.name, inputs.digest, inputs.path))
        if StudyRecord.of(study).baseline is None:
            trials = inputs.validation.trials
            retrying(lambda: record_baseline(study, BASELINES[BASELINE].accuracy(trials)))
        checkpoints = Checkpoints(run.location.checkpoints)

        def sweep() -> None:
            with run.location.exclusive():
                checkpoints.sweep(keep=open_configurations(study))

        retrying(sweep)
        objective = Objective(
            run,
            inputs,
            checkpoints=checkpoints,
            observers=_observers(job, study),
            identity=known_identity(study, run.config),
        )
        with quiet(), StopNotes(run.location) as stops:
            try:
                run_trials(job, study, objective, checkpoints)
            except (KeyboardInterrupt, StudyError, StorageInternalError):
                _release(study, stops)
                objective.between_trials()
                raise
        # A worker may have died between telling its last trial and removing its checkpoint.
        retrying(sweep)


def _observers(job: Job, study: optuna.Study) -> list[Observer]:
    found: list[Observer] = []
    if job.on_epoch is not None:
        found.append(EpochHook(job.run, job.on_epoch))
    if job.artifacts is not None:
        found.append(job.artifacts(study, job.run))
    return found


def error_of(job: Job) -> str | None:
    """Do the job; return None at its end, or why it stopped, for another process to print.

    The study has been begun by that process: where its database is found empty it is gone, and no
    other is begun in its place.
    """
    try:
        retrying(lambda: open_there(job.run.location))
        work(job)
    except (StudyError, DataError) as error:
        return str(error)
    except Exception:
        return f"a worker failed, which it should not:\n{traceback.format_exc()}"
    return None


def run_trials(
    job: Job, study: optuna.Study, objective: Objective, checkpoints: Checkpoints
) -> None:
    """Run trials as `work` does, of a study that is open and with an objective that is made."""
    monitor = HeartbeatMonitor()
    before = {trial.number for trial in study.get_trials(deepcopy=False)}
    while job.deadline is None or time.time() < job.deadline:
        done = finished(study) >= job.total
        trial = next_trial(
            study,
            job.run.location,
            job.total,
            seed=job.run.config.search.seed,
            initial_configurations=initial_configurations(study, objective.space),
            monitor=monitor,
            space=objective.space,
        )
        objective.between_trials()
        if trial is None:
            if done:
                return
            # Other workers run the last ones; if one dies, its trial is retried.
            time.sleep(_WAIT_SECONDS)
            continue
        reason = run_trial(study, trial, objective)
        objective.between_trials()
        if original_number(trial) not in open_configurations(study):
            checkpoints.remove(original_number(trial))
        if reason is not None:
            _make_room()
            _refuse_hopeless(study, before)


def _release(study: optuna.Study, stops: StopNotes) -> None:
    """Let the running trial be tried again, and not count this process's end as its fault."""
    process = this_process()
    # First, for the database may not answer before this process is killed.
    stops.leave(process)
    with no_retry(), suppress(StorageInternalError, StudyError):
        release(study, [process])
        stops.take_back(process)


def run_trial(study: optuna.Study, trial: optuna.Trial, objective: Objective) -> str | None:
    """Run a trial and tell the study; return why it failed, None if it did not."""
    state, value, reason = TrialState.FAIL, None, None
    with Heartbeat(study, trial):
        try:
            value = objective(trial)
            state = TrialState.COMPLETE
        except TrialPruned:
            state = TrialState.PRUNED
        except (StorageInternalError, StudyError):
            raise
        except UpdateFinishedTrialError:
            # Presumed dead and retried by another process, whose result counts.
            return None
        except Exception as error:
            reason = _reason(error)
        with suppress(UpdateFinishedTrialError):
            if reason is not None:
                record_failure(study._storage, trial._trial_id, reason)
            study.tell(trial, value, state=state, skip_if_finished=True)
    return reason


def _refuse_hopeless(study: optuna.Study, before: Container[int]) -> None:
    """Raise if the latest trials, of all workers together, failed for one reason."""
    ended = [
        trial.failure
        for trial in records(study)
        if trial.number not in before
        and not trial.refused
        and (trial.state in FINISHED or trial.failure is not None)
    ]
    reason = next((failure for failure in reversed(ended) if failure), "")
    number = MEMORY_FAILURES if _out_of_memory(reason) else FAILURES
    # Two reasons that differ in a number, of bytes or of a file, are the same one.
    kinds = {failure and re.sub(r"\d+", "#", failure) for failure in ended[-number:]}
    if len(ended) >= number and len(kinds) == 1 and None not in kinds:
        raise StudyError(
            f"{number} trials in a row failed for the same reason, so the study stops: {reason}"
        )


def _out_of_memory(reason: str) -> bool:
    return re.search("memoryerror|out of memory|allocate memory", reason, re.IGNORECASE) is not None


def _make_room() -> None:
    """Free what a failed trial left on the GPU."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    first_line = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first_line[:500]}"
