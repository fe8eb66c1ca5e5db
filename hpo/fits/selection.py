"""Which trial to fit: the top ones trained and scored anew, on validation alphabets alone."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from data.batches.one_shot import OneShotTrials
from hpo.results.metrics import Candidate
from hpo.study.space.search_space import SearchSpace
from hpo.terminal.fit_progress import FitProgress
from hpo.training.resumable import Fitter
from model.evaluation.intervals import interval
from model.evaluation.scores import one_shot_accuracy
from model.hyperparameters import Budget


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
