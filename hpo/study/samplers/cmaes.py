"""CMA-ES over numbers and choices together, replayed from the finished trials."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from cmaes import CMA, CatCMA
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

_SIGMA = 1 / 6
"""The initial standard deviation, as a share of each number's range."""


class CmaEsSampler(BaseSampler):
    """CMA-ES (Hansen 2016), which samples choices too by CatCMA (Hamano et al. 2024).

    The first generation is drawn around the best start-up trial. Then every population of complete
    trials, in the order in which they finished, updates the distribution. All of it is replayed
    for each new trial, in milliseconds, so the study stores nothing but trials and resumes
    exactly. Once converged, it starts again around the best trial.

    Conditional parameters are sampled independently at random, and so are all parameters of a
    space with fewer than two numbers.
    """

    def __init__(self, seed: int, startup: int):
        self._seed, self._startup = seed, startup
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters of every complete trial, none until start-up is over."""
        complete = _complete(study)
        if len(complete) < self._startup:
            return {}
        common = intersection_search_space(complete)
        space = {name: each for name, each in common.items() if not each.single()}
        return space if len(_Encoding(space).numbers) > 1 else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a draw from the distribution that the complete trials have led to."""
        if not search_space:
            return {}
        encoding = _Encoding(search_space)
        sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
        told = [(encoding.encode(t.params), sign * (t.value or 0.0)) for t in _complete(study)]

        def start(count: int) -> Any:
            best = min(told[:count], key=lambda each: each[1])[0]
            mean = np.array(best[0] if encoding.choices else best)
            bounds, seed = np.tile([0.0, 1.0], (len(mean), 1)), self._seed
            if not encoding.choices:
                return CMA(mean, _SIGMA, bounds, seed=seed)
            return CatCMA(mean, _SIGMA, encoding.options, bounds, seed=seed)

        count, strategy = self._startup, start(self._startup)
        while (end := count + strategy.population_size) <= len(told):
            strategy.tell(told[count:end])
            count = end
            if strategy.should_stop():
                strategy = start(count)
        return encoding.decode(strategy.ask())

    def sample_independent(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """Return a random draw."""
        return self._random.sample_independent(study, trial, name, distribution)


class _Encoding:
    """Numbers scaled to [0, 1], and where there are choices, one-hot rows ``[choices, most]``."""

    def __init__(self, space: Mapping[str, Any]):
        self.choices = {n: d for n, d in space.items() if isinstance(d, CategoricalDistribution)}
        self.numbers = {name: d for name, d in space.items() if name not in self.choices}
        self.options = np.array([len(each.choices) for each in self.choices.values()], int)

    def encode(self, params: Mapping[str, Any]) -> Any:
        scaled = []
        for name, number in self.numbers.items():
            low, high = _ends(number)
            value = math.log(params[name]) if number.log else params[name]
            scaled.append((value - low) / (high - low))
        picked = [each.choices.index(params[name]) for name, each in self.choices.items()]
        return (np.array(scaled), np.eye(max(self.options))[picked]) if picked else np.array(scaled)

    def decode(self, point: Any) -> dict[str, Any]:
        scaled, rows = point if self.choices else (point, ())
        params: dict[str, Any] = {}
        for (name, number), share in zip(self.numbers.items(), scaled, strict=True):
            low, high = _ends(number)
            value = low + float(share) * (high - low)
            value = math.exp(value) if number.log else value
            if number.step:
                value = number.low + round((value - number.low) / number.step) * number.step
            value = min(max(value, number.low), number.high)
            params[name] = int(value) if isinstance(number, IntDistribution) else value
        picked = zip(self.choices.items(), rows, strict=True)
        return params | {name: each.choices[int(row.argmax())] for (name, each), row in picked}


def _ends(number: Any) -> tuple[float, float]:
    """Return a number's range on its scale, half a step wider so that all steps are as likely."""
    half = (number.step or 0) / 2
    low, high = number.low - half, number.high + half
    return (math.log(low), math.log(high)) if number.log else (low, high)


def _complete(study: Study) -> list[FrozenTrial]:
    # In the order of their ends, so that a trial that ends late leaves earlier generations alone.
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(trials, key=lambda each: (each.datetime_complete or datetime.max, each.number))
