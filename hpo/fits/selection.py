"""Which trial to fit: a race of the top ones, on validation alphabets alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import optuna
from optuna.trial import FrozenTrial

from data.batches.one_shot import OneShotTrials
from data.sources.table import check
from hpo.fits.fitter import Fitter
from hpo.results.metrics import Candidate
from hpo.study.errors import ConfigError, StudyError
from hpo.study.open import open_as_run, open_study, read_record
from hpo.study.run import StudyRun
from hpo.study.samplers.asha import REDUCTION
from hpo.study.space.search_space import SearchSpace
from hpo.terminal.fit_progress import FitProgress
from model.evaluation.intervals import interval
from model.evaluation.scores import one_shot_accuracy
from model.hyperparameters import Budget, Hyperparameters


def open_to_fit(
    run: StudyRun, number: int | None, dataset: str | None = None
) -> tuple[optuna.Study, StudyRun]:
    """Return what `open_as_run` does, to fit trial ``number``, None for the best.

    A study that is not there is made if the trial will be one of its initial configurations, which
    are known without a search.

    Raises:
        StudyError: as `open_as_run`.
        DataError: the study is to be made, and there is no such ``dataset``.
    """
    starts = run.config.space().initial_configurations
    if number in range(len(starts)) and read_record(run.location) is None:
        new = replace(run, config=run.config.changed(dataset=dataset))
        check(new.config.data.dataset)  # before anything is made for a slip of the pen
        open_study(new)
    return open_as_run(run, dataset)


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


def rounds(candidates: int) -> list[int]:
    """Return how many candidates each round has: of 27 they are 27, 9 and 3.

    The best third of a round goes on to the next, of three times the training.
    """
    sizes = [candidates]
    while sizes[-1] > REDUCTION:
        sizes.append(-(-sizes[-1] // REDUCTION))
    return sizes


def race(
    trials: Sequence[FrozenTrial],
    space: SearchSpace,
    fitter: Fitter,
    budgets: Sequence[Budget],
    fresh: Callable[[int], OneShotTrials],
    seeds: Sequence[int],
    progress: FitProgress,
) -> tuple[list[Candidate], float]:
    """Return the candidates of every round, the last round and the best first, and the seconds.

    In a round each is trained anew, once for each of ``seeds``, because a training cut short says
    little of one that is planned to be short; ``budgets`` are those of the last. It is scored on
    trials that are ``fresh`` for each round, the last being 0, because the best of many noisy
    scores is biased upwards.
    """
    found: list[Candidate] = []
    seconds, going_on, sizes = 0.0, list(zip(trials, budgets, strict=True)), rounds(len(trials))
    for later in reversed(range(len(sizes))):
        if len(sizes) > 1:
            progress.say(f"round {len(sizes) - later} of {len(sizes)}: {len(going_on)} candidates")
        part = [(trial, budget.part(REDUCTION**-later)) for trial, budget in going_on]
        ranking, spent = _round(part, space, fitter, fresh(later), seeds, progress)
        found = [candidate.model_copy(update={"later": later}) for candidate in ranking] + found
        seconds += spent
        places = {candidate.trial: place for place, candidate in enumerate(ranking)}
        going_on.sort(key=lambda one: places[one[0].number])
        going_on = going_on[: -(-len(going_on) // REDUCTION)]
    return found, seconds


def _round(
    trials: Sequence[tuple[FrozenTrial, Budget]],
    space: SearchSpace,
    fitter: Fitter,
    fresh: OneShotTrials,
    seeds: Sequence[int],
    progress: FitProgress,
) -> tuple[list[Candidate], float]:
    candidates, seconds = [], 0.0
    for trial, budget in trials:
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
