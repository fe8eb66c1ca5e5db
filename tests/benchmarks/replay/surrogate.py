"""What any configuration would have reached, by a table of some: a forest, or the nearest row."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.stats import spearmanr

from hpo.study.errors import ConfigError
from hpo.study.samplers.asha import rungs_of
from hpo.study.space.catalogue import Value
from hpo.study.space.domains import Range
from hpo.study.space.search_space import SearchSpace
from tests.benchmarks.replay.table import Table

_FOLDS = 64
"""At most so many; up to as many configurations, each is left out by itself."""


class Model(Protocol):
    """From encoded configurations ``[n, columns]`` to curves ``[n, epochs]``."""

    def __call__(self, x: np.ndarray) -> np.ndarray: ...


Fit = Callable[[np.ndarray, np.ndarray], Model]


def encoded(space: SearchSpace, params: Sequence[Mapping[str, Value]]) -> np.ndarray:
    """Return configurations as rows of numbers in [0, 1], NaN where they do not have a parameter.

    A number takes one column, on a log scale if it is searched so; a choice one for each option.
    """
    columns = []
    for name, domain in space.searched.items():
        values = [each.get(name) for each in params]
        if isinstance(domain, Range):
            scale = np.log if domain.log else np.asarray
            low, high = scale(domain.low), scale(domain.high)
            columns.append(
                [np.nan if v is None else (scale(v) - low) / (high - low) for v in values]
            )
        else:
            # Halved, so that two options differ by 1, as do the ends of a range.
            for option in domain.options:
                columns.append([np.nan if v is None else (v == option) / 2 for v in values])
    return np.array(columns, float).T


def forest(x: np.ndarray, curves: np.ndarray) -> Model:
    """Fit extremely randomised trees; a parameter that is not there is below all of its values."""
    from sklearn.ensemble import ExtraTreesRegressor

    trees = ExtraTreesRegressor(300, random_state=0).fit(np.nan_to_num(x, nan=-1.0), curves)
    return lambda new: trees.predict(np.nan_to_num(new, nan=-1.0)).reshape(len(new), -1)


def nearest(x: np.ndarray, curves: np.ndarray) -> Model:
    """Predict the curve of the row at the least sum of differences; one that only one has is 1."""

    def predict(new: np.ndarray) -> np.ndarray:
        away = np.abs(new[:, None] - x)
        one_alone = np.isnan(new)[:, None] != np.isnan(x)
        away = np.where(one_alone, 1.0, np.nan_to_num(away))
        return curves[away.sum(-1).argmin(1)]

    return predict


def mean(x: np.ndarray, curves: np.ndarray) -> Model:
    """Predict the mean curve of the table: what a surrogate that knows anything is better than."""
    return lambda new: np.tile(curves.mean(0), (len(new), 1))


SURROGATES: Mapping[str, Fit] = {"forest": forest, "nearest": nearest}


@dataclass(frozen=True)
class Errors:
    """How far off curves are that are predicted from the other rows of the table.

    Attributes:
        points: rung -> mean absolute error in points.
        spearman: rank correlation between predicted and true accuracy at the end, if there is one.
    """

    points: Mapping[int, float]
    spearman: float | None

    def line(self) -> str:
        """Return it in words."""
        rungs = ", ".join(f"{points:.1f} at epoch {rung}" for rung, points in self.points.items())
        ranks = "" if self.spearman is None else f"; rank correlation {self.spearman:.2f}"
        return f"mean absolute error in points {rungs}{ranks}"


def cross_validated(fit: Fit, x: np.ndarray, curves: np.ndarray) -> Errors:
    """Return the errors of predictions of rows that were left out, one at a time."""
    fold = np.arange(len(x)) % min(len(x), _FOLDS)
    predicted = np.empty_like(curves)
    for k in np.unique(fold):
        predicted[fold == k] = fit(x[fold != k], curves[fold != k])(x[fold == k])
    off = 100 * np.abs(predicted - curves).mean(0)
    epochs, end = curves.shape[1], predicted[:, -1]
    return Errors(
        {rung: float(off[rung - 1]) for rung in rungs_of(epochs, 4)},
        # The mean of the others is low where the one left out is high.
        float(spearmanr(end, curves[:, -1]).statistic) if fit is not mean else None,
    )


class Surrogate:
    """A table that has an answer for every configuration of its study's space.

    Attributes:
        kind: of `SURROGATES`; that with the least error at the end unless it is asked for.
        errors: of each kind, and of the table's mean.
    """

    def __init__(self, table: Table, kind: str | None = None):
        self.table = table
        self.space = table.config.space()
        kinds = {name: SURROGATES[name] for name in ([kind] if kind else SURROGATES)}
        if "forest" in kinds and importlib.util.find_spec("sklearn") is None:
            raise ConfigError(
                "the surrogate forest needs scikit-learn, which is not installed: "
                'pip install -e ".[replay]", or give --surrogate nearest'
            )
        x, curves = encoded(self.space, table.params), table.best
        if len(x) < 3:
            raise ConfigError(f"a table of {len(x)} configurations is too small to predict others")
        self.errors = {
            name: cross_validated(fit, x, curves) for name, fit in {**kinds, "mean": mean}.items()
        }
        self.kind = min(kinds, key=lambda name: self.errors[name].points[table.epochs])
        self._model = SURROGATES[self.kind](x, curves)
        self._known: dict[Any, tuple[np.ndarray, float]] = {}

    def __call__(self, params: Mapping[str, Value]) -> tuple[np.ndarray, float]:
        """Return the best accuracy up to each epoch ``[epochs]`` and the TFLOP of one epoch."""
        key = frozenset(params.items())
        if key not in self._known:
            (curve,) = self._model(encoded(self.space, [params]))
            self._known[key] = curve, self.table.teraflops_per_epoch(params)
        return self._known[key]
