"""Which trial to fit: the top ones retrained and rescored, on validation alphabets alone."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from data.batches.one_shot import OneShotTrials
from hpo.fits.fitter import Fitter
from hpo.results.metrics import Candidate
from hpo.study.errors import ConfigError, StudyError
from hpo.study.space.search_space import SearchSpace
from hpo.terminal.fit_progress import FitProgress
from model.evaluation.intervals import interval
from model.evaluation.scores import one_shot_accuracy
from model.hyperparameters import Budget, Hyperparameters


def configuration(trial: FrozenTrial, space: SearchSpace) -> Hyperparameters:
    """Return the trial's configuration.

    Raises:
        StudyError: the trial lacks a value, or has one that is not allowed; another program has
            added it to the study, or it failed while its values were suggested.
    """
    try:
        return space.hyperparameters(trial.params)
    except ConfigError as error:
        raise StudyError(
            f"trial {trial.number} cannot be fitted: {error}. Name another with --trial"
        ) from None


def choose(
    trials: Sequence[FrozenTrial],
    space: SearchSpace,
    fitter: Fitter,
    budgets: Sequence[Budget],
    fresh: OneShotTrials,
    seeds: Sequence[int],
    progress: FitProgress,
) -> tuple[list[Candidate], float]:
    """Return the trials as candidates, best first, and the seconds spent on training.

    Each is trained once for each of ``seeds``, with its own of ``budgets``, and scored on ``fresh``
    trials, because the best of many noisy scores is biased upwards.
    """
    candidates, seconds = [], 0.0
    for trial, budget in zip(trials, budgets, strict=True):
        scores, pairs, collapsed = [], [], 0
        for seed in seeds:
            tell = progress(f"candidate trial {trial.number}, seed {seed}", budget.epochs)
            fit = fitter.fit(configuration(trial, space), budget, seed, tell)
            scores.append(one_shot_accuracy(fit.net(fresh.drawings.device), fresh))
            pairs.append(fit.history[-1].pairs_seen)
            collapsed += fit.collapsed
            seconds += fit.seconds
        mean, low, high = interval(scores, len(fresh))
        progress.say(
            f"trial {trial.number}: {trial.value or 0.0:.1%} in the search, retrained {mean:.1%} "
            f"[{low:.1%}, {high:.1%}] over these alphabets, {len(fresh):,} trials x "
            f"{len(scores)} seeds, {pairs[0]:,} pairs{f', {collapsed} collapsed' * bool(collapsed)}"
        )
        candidates.append(
            Candidate(
                trial=trial.number,
                search_value=trial.value or 0.0,
                scores=scores,
                trials=len(fresh),
                pairs_seen=pairs[0],
                collapsed=collapsed,
                mean=mean,
                low=low,
                high=high,
            )
        )
    # Sorting is stable: of equals, the one with the better search value comes first.
    return sorted(candidates, key=lambda candidate: -candidate.mean), seconds
