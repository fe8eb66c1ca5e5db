"""One process's part of a study: claim a trial, run it, tell the result, until there is none."""

import re
import time
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError, TrialPruned, UpdateFinishedTrialError
from optuna.trial import TrialState

from hpo.search.artifacts.upload import TrialArtifacts
from hpo.search.objective import Objective
from hpo.search.warm_start import initial_configurations
from hpo.search.workers.heartbeat import Heartbeat, HeartbeatMonitor
from hpo.search.workers.queue import next_trial, open_configurations
from hpo.study.config import StudyConfig
from hpo.study.errors import StudyError
from hpo.study.open import BASELINE, known_identity, open_study, remember_data
from hpo.study.samplers.table import quiet
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.retry import no_retry, retrying
from hpo.study.trials import FINISHED, finished, root
from hpo.training.checkpoints import Checkpoints
from hpo.training.data import load_data

FAILURES = 3
"""A failure that comes this often in a row would come for ever."""
MEMORY_FAILURES = 10
"""Memory may run out for a few large nets in a row and suffice for the next."""

_WAIT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that a worker process needs to know; it can be sent to another process or machine.

    Attributes:
        definition: the study's.
        place: where it is kept.
        total: how many trials are to finish, all workers' together.
        data_root: where data sets lie, None for the usual places.
        device: what to train on.
        threads: CPU threads to train with, None for all.
        deadline: no trial starts after this time (`time.time`), if given.
    """

    config: StudyConfig
    location: StudyLocation
    total: int
    data_root: Path | None = None
    device: str = "cpu"
    threads: int | None = None
    deadline: float | None = None


def work(job: Job) -> None:
    """Run trials until the study's total is finished or the deadline is past.

    Raises:
        StudyError: the study cannot be used, or fails again and again for one reason.
        DataError: its data cannot.
        KeyboardInterrupt: the running trial is given back, to go on from its last checkpoint.
    """
    import torch

    if job.threads is not None:
        torch.set_num_threads(job.threads)
    study = retrying(lambda: open_study(job.config, job.location))
    inputs = load_data(job.config, job.data_root, job.device)
    path = inputs.own.path if inputs.own else None
    retrying(
        lambda: remember_data(study, job.location, job.config, inputs.name, inputs.digest, path)
    )
    if BASELINE not in study.user_attrs:
        retrying(lambda: study.set_user_attr(BASELINE, inputs.baseline()))
    checkpoints = Checkpoints(job.location.checkpoints)

    def sweep() -> None:
        with job.location.exclusive():
            checkpoints.sweep(keep=open_configurations(study))

    retrying(sweep)
    artifacts_of_trials = TrialArtifacts(study, job.config, job.location)
    artifacts_of_trials.begin()
    objective = Objective(
        job.config,
        inputs,
        device=job.device,
        checkpoints=checkpoints,
        artifacts_of_trials=artifacts_of_trials,
        identity=known_identity(study, job.config),
    )
    with job.location.explained(), quiet():
        _run_trials(job, study, objective, checkpoints)
    # Some worker may have died between telling its last trial and removing what it had saved.
    retrying(sweep)


def _run_trials(
    job: Job, study: optuna.Study, objective: Objective, checkpoints: Checkpoints
) -> None:
    monitor = HeartbeatMonitor()
    before = {trial.number for trial in study.get_trials(deepcopy=False)}
    while job.deadline is None or time.time() < job.deadline:
        trial = next_trial(
            study,
            job.location,
            job.total,
            seed=job.config.search.seed,
            initial_configurations=initial_configurations(study, objective.space),
            monitor=monitor,
        )
        if trial is None:
            if finished(study) >= job.total:
                return
            # Other workers have the last ones; should one die, its trial is tried again.
            time.sleep(_WAIT_SECONDS)
            continue
        reason = run_trial(study, trial, objective)
        if root(trial) not in open_configurations(study):
            checkpoints.remove(root(trial))
        if reason is not None:
            _make_room()
            _refuse_hopeless(study, before)


def run_trial(study: optuna.Study, trial: optuna.Trial, objective: Objective) -> str | None:
    """Run a claimed trial and tell the study; return why it failed, None if it did not."""
    state, value, reason = TrialState.FAIL, None, None
    with Heartbeat(study, trial):
        try:
            value = objective(trial)
            state = TrialState.COMPLETE
        except TrialPruned:
            state = TrialState.PRUNED
        except StorageInternalError:
            raise
        except UpdateFinishedTrialError:
            # Taken for dead and given to another process: that one's result counts.
            return None
        except KeyboardInterrupt:
            # Failed without a reason, it is tried again. Unsaid, its process will be missed.
            with no_retry(), suppress(StorageInternalError, UpdateFinishedTrialError):
                study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            raise
        except Exception as error:
            reason = _reason(error)
        with suppress(UpdateFinishedTrialError):
            if reason is not None:
                trial.set_user_attr("failure", reason)
            study.tell(trial, value, state=state, skip_if_finished=True)
    return reason


def _refuse_hopeless(study: optuna.Study, before: Container[int]) -> None:
    """Raise if the latest trials, all workers' together, failed for one and the same reason."""
    ended = [
        trial.user_attrs.get("failure")
        for trial in study.get_trials(deepcopy=False)
        if trial.number not in before and (trial.state in FINISHED or "failure" in trial.user_attrs)
    ]
    reason = next((failure for failure in reversed(ended) if failure), "")
    number = MEMORY_FAILURES if _out_of_memory(reason) else FAILURES
    # The same with other numbers in it, of bytes or of a file, is the same.
    kinds = {failure and re.sub(r"\d+", "#", failure) for failure in ended[-number:]}
    if len(ended) >= number and len(kinds) == 1 and None not in kinds:
        raise StudyError(
            f"{number} trials in a row failed for the same reason, so the study stops: {reason}"
        )


def _out_of_memory(reason: str) -> bool:
    return re.search("memoryerror|out of memory|allocate memory", reason, re.IGNORECASE) is not None


def _make_room() -> None:
    """Give back what a failed trial left behind on the GPU."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    first_line = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first_line[:500]}"
