"""Which trial to fit: the top ones trained and scored anew, on validation alphabets alone."""

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from data.oneshot import OneShotTrials
from hpo.errors import StudyError
from hpo.fit_progress import FitProgress
from hpo.fitting import Fitter
from hpo.metrics import Candidate, interval
from hpo.space import SearchSpace
from model.evaluation import one_shot_accuracy
from model.hyperparameters import Budget


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


def choose(
    trials: Sequence[FrozenTrial],
    space: SearchSpace,
    fitter: Fitter,
    budgets: Sequence[Budget],
    fresh: OneShotTrials,
    seeds: Sequence[int],
    progress: FitProgress,
) -> tuple[list[Candidate], float]:
    """Return the trials as candidates, the best first, and the seconds that it took to train.

    Each is trained once for each of ``seeds``, as its own of ``budgets`` has it, and scored on
    ``fresh`` trials, because the best of many noisy scores flatters itself.
    """
    candidates, seconds = [], 0.0
    for trial, budget in zip(trials, budgets, strict=True):
        scores, pairs = [], []
        for seed in seeds:
            tell = progress(f"candidate trial {trial.number}, seed {seed}", budget.epochs)
            fit = fitter.fit(space.hyperparameters(trial.params), budget, seed, tell)
            scores.append(one_shot_accuracy(fit.net(fitter.device), fresh))
            pairs.append(fit.history[-1].pairs_seen)
            seconds += fit.seconds
        mean, low, high = interval(scores, len(fresh))
        progress.say(
            f"trial {trial.number}: {trial.value or 0.0:.1%} in the search, anew {mean:.1%} "
            f"[{low:.1%}, {high:.1%}], {len(fresh):,} trials x {len(scores)} seeds, "
            f"{pairs[0]:,} pairs"
        )
        candidates.append(
            Candidate(
                trial=trial.number,
                search_value=trial.value or 0.0,
                scores=scores,
                trials=len(fresh),
                pairs_seen=pairs[0],
                mean=mean,
                low=low,
                high=high,
            )
        )
    # Of equals the one that the search liked better comes first, for sorting keeps their order.
    return sorted(candidates, key=lambda candidate: -candidate.mean), seconds
