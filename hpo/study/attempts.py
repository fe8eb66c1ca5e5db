"""What has become of a study's configurations, each of one trial or of several.

A trial whose process died is retried as another trial, and one that was paused at a rung goes on as
another; both keep the number of the first.
"""

from collections.abc import Iterable, Mapping, Sequence

import optuna
from optuna.trial import TrialState

from hpo.study.trials import FINISHED, TrialRecord, records


def latest_attempts(trials: Iterable[TrialRecord]) -> dict[int, TrialRecord]:
    """Return the last trial of each configuration, by the configuration's original number."""
    return {trial.original_number: trial for trial in trials}


def outcome(trial: TrialRecord) -> str:
    """Return in a word how a trial ended or stands. Optuna also calls a paused trial pruned."""
    if trial.state == TrialState.FAIL:
        return "failed or interrupted"
    if trial.state == TrialState.PRUNED and trial.paused:
        return "paused"
    return trial.state.name.lower()


def reason(trial: TrialRecord, latest: Mapping[int, TrialRecord]) -> str:
    """Return why a trial failed or was pruned; empty if it did not. See `latest_attempts`."""
    if trial.state == TrialState.PRUNED:
        if not trial.paused:
            return f"pruned after epoch {trial.epochs}"
        later = latest[trial.original_number].number
        went_on = f"; goes on as trial {later}" if later != trial.number else ""
        return f"paused after epoch {trial.epochs}{went_on}"
    if trial.state != TrialState.FAIL:
        return ""
    if trial.failure:
        return trial.failure
    resumed = latest[trial.original_number].number != trial.number
    return f"interrupted; {'resumed' if resumed else 'not yet resumed'}"


def to_retry(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials whose process died and whose configuration has not been queued since.

    Only one that has a reason has failed for good: whatever is given up has been said and recorded.
    """
    going_on = {trial.attempt for trial in trials if trial.state != TrialState.FAIL}
    return [
        trial
        for trial in latest_attempts(trials).values()
        if trial.attempt not in going_on
        and trial.state == TrialState.FAIL
        and trial.failure is None
    ]


def pending(trials: Sequence[TrialRecord]) -> set[int]:
    """Return the original numbers of the configurations running, waiting or to be retried."""
    found = [t for t in trials if t.state in (TrialState.RUNNING, TrialState.WAITING)]
    return {trial.original_number for trial in (*found, *to_retry(trials))}


def finished(study: optuna.Study) -> int:
    """Return how many configurations count towards the study's total."""
    return finished_of(records(study))


def finished_of(trials: Sequence[TrialRecord]) -> int:
    """Return how many configurations count towards the total: finished, and none pending."""
    return len({t.original_number for t in trials if t.state in FINISHED} - pending(trials))


def configurations_begun(study: optuna.Study) -> int:
    """Return how many configurations the study has begun, each counted once, refused ones not."""
    return sum(
        record.original_number == record.number and not record.refused for record in records(study)
    )
