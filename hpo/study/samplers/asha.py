"""Asynchronous successive halving with promotion (Li et al. 2020, arXiv 1810.05934).

A trial is paused at each rung, and the best third there goes on, from its own checkpoint, as
another trial of the same configuration. Optuna's `SuccessiveHalvingPruner` decides once, when a
trial comes to a rung: the first few always go on, and who was stopped never does.

One thing is ours: who is `behind` the best after a third of the training does not go on. Where
hardly any configuration learns, most of the best third do not learn either.
"""

import math
from collections.abc import Iterable, Sequence

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from hpo.study.trials import is_paused, original_number, promoted_after_epoch

REDUCTION = 3
"""One of so many goes on."""


def rungs_of(epochs: int, count: int) -> tuple[int, ...]:
    """Return the epochs of ``count`` rungs, the last a trial's end: 1 : 3 : 9 : 27 if it is 4.

    Of a trial of few epochs there are fewer, since the lowest comes after one.
    """
    shares = (max(1, round(epochs / REDUCTION**k)) for k in reversed(range(count)))
    return tuple(dict.fromkeys(shares))


def epochs_in_all(configurations: int, rungs: Sequence[int]) -> int:
    """Return how many epochs a search of so many configurations trains, if places are a third."""
    total, before, going_on = 0, 0, configurations
    for epoch in rungs:
        total += going_on * (epoch - before)
        before, going_on = epoch, max(1, going_on // REDUCTION)
    return total


class PromotionPruner(BasePruner):
    """Pauses each trial at the rungs, unless it is among the best third there at that moment.

    Attributes:
        rungs: the epochs after which it does, rising; nothing is paused at the last.
    """

    def __init__(self, rungs: Sequence[int]):
        self.rungs = tuple(rungs)

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether the trial is paused after the epoch that it reported last."""
        epoch = trial.last_step
        if epoch not in self.rungs[:-1] or epoch <= (promoted_after_epoch(trial) or 0):
            return False
        # The trial as it stands comes last, and so counts instead of itself.
        trials = [*study.get_trials(deepcopy=False), trial]
        order = standings(trials, epoch)
        has_place = original_number(trial) in order[: len(order) // REDUCTION]
        return not has_place or behind(trial, epoch, trials, self.rungs)


def standings(trials: Iterable[FrozenTrial], epoch: int) -> list[int]:
    """Return the original numbers of the configurations that came to ``epoch``, the best first.

    What counts is the best value of any epoch up to it; of equals the earlier one is the better.
    One whose training ended before it, out of patience, keeps the value that it ended with.
    One that has failed, diverged or collapsed since leaves its place to others.
    """
    values = values_at(trials, epoch)
    return sorted(values, key=lambda number: (-values[number], number))


def values_at(trials: Iterable[FrozenTrial], epoch: int) -> dict[int, float]:
    """Return the best value up to ``epoch`` of each in the `standings`, by original number."""
    values: dict[int, float] = {}
    latest: dict[int, FrozenTrial] = {}
    for trial in trials:
        latest[number := original_number(trial)] = trial
        if (trial.last_step or 0) >= epoch or trial.state == TrialState.COMPLETE:
            # Of a retry and what it retries, the values are the same.
            values[number] = value_at(trial, epoch)
    return {number: value for number, value in values.items() if not _is_gone(latest[number])}


def value_at(trial: FrozenTrial, epoch: int) -> float:
    """Return the best value that a trial reported up to ``epoch``."""
    reported = (value for step, value in trial.intermediate_values.items() if step <= epoch)
    return max(filter(math.isfinite, reported), default=0.0)


def _is_gone(trial: FrozenTrial) -> bool:
    """Return whether the last trial of a configuration is one that no other goes on with."""
    stopped = trial.state == TrialState.PRUNED and not is_paused(trial)
    return stopped or trial.state == TrialState.FAIL or is_lost(trial)


def is_lost(trial: FrozenTrial) -> bool:
    """Return whether the training of a trial diverged or collapsed."""
    return bool(trial.user_attrs.get("diverged") or trial.user_attrs.get("collapsed"))


def behind(
    trial: FrozenTrial, epoch: int, trials: Sequence[FrozenTrial], rungs: Sequence[int]
) -> bool:
    """Return whether a trial after ``epoch`` has less than the best had one rung before."""
    before = max((rung for rung in rungs if rung < epoch), default=epoch // REDUCTION)
    if before == 0 or not (order := standings(trials, before)):
        return False
    best = max(value_at(each, before) for each in trials if original_number(each) == order[0])
    return value_at(trial, epoch) < best


def to_promote(
    trials: Sequence[FrozenTrial], rungs: Sequence[int], *, settled: bool
) -> FrozenTrial | None:
    """Return the paused trial whose configuration is to go on next, None if there is none.

    Higher rungs come first. Once all is ``settled``, nothing runs and no configuration is to
    come, the best goes on though fewer than three came to its rung, or it is `behind`, so that one
    reaches the end.
    """
    latest = {original_number(trial): trial for trial in trials}
    for epoch in reversed(rungs[:-1]):
        order = standings(trials, epoch)
        places = max(len(order) // REDUCTION, int(settled))
        for place, number in enumerate(order[:places]):
            trial = latest[number]
            if not (is_paused(trial) and trial.last_step == epoch):
                continue
            if (settled and place == 0) or not behind(trial, epoch, trials, rungs):
                return trial
    return None


def may_go_on(trials: Sequence[FrozenTrial], rungs: Sequence[int]) -> set[int]:
    """Return the original numbers of paused configurations whose checkpoints are worth keeping.

    A place can only get worse, but places are added: twice as many as there are now are looked at.
    One that goes on later all the same trains anew.
    """
    latest = {original_number(trial): trial for trial in trials}
    found = set()
    for epoch in rungs[:-1]:
        order = standings(trials, epoch)
        near = order[: 2 * (len(order) // REDUCTION + 1)]
        found |= {n for n in near if is_paused(latest[n]) and latest[n].last_step == epoch}
    return found
