"""CMA-ES over numbers and choices together, replayed from the finished trials."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from cmaes import CMA, CatCMA
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

_SIGMA = 1 / 6
"""The initial standard deviation, as a share of each number's range."""


class CmaEsSampler(BaseSampler):
    """CMA-ES (Hansen 2016), which samples choices too by CatCMA (Hamano et al. 2024); it maximises.

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
        choices = sum(isinstance(each, CategoricalDistribution) for each in space.values())
        return space if len(space) - choices > 1 else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a draw from the distribution that the complete trials have led to."""
        if not search_space:
            return {}
        encoding = _Encoding(search_space)
        told = [(encoding.encode(t.params), -(t.value or 0.0)) for t in _complete(study)]

        def start(count: int) -> Any:
            best = min(told[:count], key=lambda each: each[1])[0]
            mean = best[0] if encoding.choices else best
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
        self._scaled = _SearchSpaceTransform(self.numbers, transform_0_1=True)

    def encode(self, params: Mapping[str, Any]) -> Any:
        scaled = self._scaled.transform({name: params[name] for name in self.numbers})
        picked = [each.choices.index(params[name]) for name, each in self.choices.items()]
        return (scaled, np.eye(max(self.options))[picked]) if picked else scaled

    def decode(self, point: Any) -> dict[str, Any]:
        scaled, rows = point if self.choices else (point, ())
        picked = zip(self.choices.items(), rows, strict=True)
        choices = {name: each.choices[int(row.argmax())] for (name, each), row in picked}
        return self._scaled.untransform(np.asarray(scaled)) | choices


def _complete(study: Study) -> list[FrozenTrial]:
    # In the order of their ends, so that a trial that ends late leaves earlier generations alone.
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(trials, key=lambda each: (each.datetime_complete or datetime.max, each.number))
