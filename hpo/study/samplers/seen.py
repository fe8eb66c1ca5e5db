"""What a sampler sees of a search whose trials are paused at rungs (`hpo.study.samplers.asha`)."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpo.study.samplers.asha import is_lost, values_at
from hpo.study.trials import original_number

_NEAREST = 1e-3
"""Squared distance below which two configurations are as good as one."""


def seen_from(study: optuna.Study, rungs: Sequence[int], startup: int) -> optuna.Study:
    """Return what a sampler learns from: each configuration once, by its value at one rung.

    That rung is the highest that ``startup`` configurations came to. Higher ones hold few, lower
    ones are where what starts fast is best (as in BOHB: Falkner et al. 2018). Unlike there, those
    that stopped below it are not left out, for the sampler would propose them again: their value
    is the one that they came to, times what the others gained from there, the nearer of them the
    more, but at most the best of theirs, unless they have come to more already.

    One that diverged or collapsed, at any epoch, has the least value of all: the learning rates
    and momenta that are just too large start fastest. Configurations that came to no rung yet are
    running.
    """
    trials = study.get_trials(deepcopy=False)
    latest = {original_number(trial): trial for trial in trials}
    # One that waits to go on has no parameters yet.
    drawn = latest | {original_number(trial): trial for trial in trials if trial.params}
    at = {epoch: values_at(trials, epoch) for epoch in rungs}
    highest = next((epoch for epoch in reversed(rungs) if len(at[epoch]) >= startup), rungs[0])
    values = dict(at[highest])
    for epoch in reversed(rungs[: rungs.index(highest)]):
        stopped = {number: value for number, value in at[epoch].items() if number not in values}
        values |= _expected(stopped, at[epoch], at[highest], drawn)
    least = min(values.values(), default=0.0)
    values |= {number: least for number, trial in latest.items() if is_lost(trial)}
    seen = []
    for number, trial in latest.items():
        if number in values:
            known = create_trial(
                value=values[number],
                params=drawn[number].params,
                distributions=drawn[number].distributions,
            )
            known.number, known._trial_id = number, trial._trial_id
            seen.append(known)
        elif trial.state == TrialState.RUNNING:
            seen.append(trial)
    return _View(study, seen)


def _expected(
    stopped: Mapping[int, float],
    low: Mapping[int, float],
    high: Mapping[int, float],
    trials: Mapping[int, FrozenTrial],
) -> dict[int, float]:
    """Return what those that ``stopped`` at a low rung would have at a high one.

    Args:
        stopped: their values at the low rung, by original number.
        low: and those of all.
        high: the values of those that came to the high one.
        trials: a trial of each, by original number.
    """
    gained = {number: high[number] / low[number] for number in high if low.get(number)}
    if not gained or not stopped:
        return dict(stopped)
    gains, most = np.array(list(gained.values())), max(high.values())
    places = _scaled([trials[number] for number in [*stopped, *gained]])
    known = places[len(stopped) :]
    expected = {}
    for (number, value), place in zip(stopped.items(), places, strict=False):
        # What only one of two has is as far apart as the ends of a range.
        apart = np.where(np.isnan(place) & np.isnan(known), 0.0, known - place)
        apart = np.minimum(np.abs(np.nan_to_num(apart, nan=1.0)), 1.0)
        weights = 1 / (_NEAREST + (apart**2).sum(1))
        gain = float(np.average(gains, weights=weights))
        expected[number] = min(value * gain, max(most, value))
    return expected


def _scaled(trials: Sequence[FrozenTrial]) -> np.ndarray:
    """Return configurations ``[trials, parameters]``, NaN where one does not have a parameter.

    Numbers are in [0, 1]; choices are their indices, of which any two are 1 or more apart.
    """
    domains: dict[str, Any] = {n: d for trial in trials for n, d in trial.distributions.items()}
    columns = []
    for name, domain in domains.items():
        values = [trial.params.get(name) for trial in trials]
        if isinstance(domain, CategoricalDistribution):
            columns.append([np.nan if v is None else domain.choices.index(v) for v in values])
        elif not domain.single():
            scale = np.log if domain.log else np.asarray
            low, high = scale(domain.low), scale(domain.high)
            columns.append((scale(np.array(values, float)) - low) / (high - low))
    return np.array(columns, float).T.reshape(len(trials), len(columns))


class _View(optuna.Study):
    """A study of which other trials are seen than it holds."""

    def __init__(self, study: optuna.Study, seen: Sequence[FrozenTrial]):
        vars(self).update(vars(study))
        self._seen = seen

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        return [trial for trial in self._seen if states is None or trial.state in states]
