"""What a study's trials say: one typed view of each, and which count."""

import optuna
from optuna.trial import FrozenTrial, TrialState

from hpo.study.errors import StudyError


def complete_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the complete trials, the best first, no configuration twice.

    Raises:
        StudyError: there is none.
    """
    trials = study.get_trials(deepcopy=False)
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    if not complete:
        reasons = {t.user_attrs["failure"] for t in trials if "failure" in t.user_attrs}
        why = f" (failed: {sorted(reasons)[0]})" if reasons else ""
        raise StudyError(
            f"study {study.study_name} has {len(trials)} trials but no complete one{why}; "
            "run it until it has"
        )
    ranked = sorted(complete, key=lambda trial: (-(trial.value or 0.0), trial.number))
    return [t for i, t in enumerate(ranked) if all(t.params != o.params for o in ranked[:i])]


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


FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


SUGGESTED = "parameters"
"""The user attribute, a net's parameter count, that says that all of a trial is suggested."""


HISTORY = "history"
"""The system attribute that keeps a trial's `EpochResult` of every epoch, as dictionaries."""


def finished(study: optuna.Study) -> int:
    """Return how many trials count towards the total."""
    return len(study.get_trials(deepcopy=False, states=FINISHED))


def configurations_begun(study: optuna.Study) -> int:
    """Return how many configurations the study has begun, each counted once."""
    trials = study.get_trials(deepcopy=False)
    return sum("retry_of" not in trial.user_attrs for trial in trials)


def root(trial: FrozenTrial | optuna.Trial) -> int:
    """Return the number of the trial that first tried this trial's configuration."""
    number: int = trial.user_attrs.get("retry_of", trial.number)
    return number
