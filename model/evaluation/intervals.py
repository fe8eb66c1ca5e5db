"""Confidence intervals of accuracies: over alphabets in general, and over trials alone."""

import math
from collections.abc import Sequence

import numpy as np

_NORMAL_95 = 1.959964


def alphabet_interval(
    credit: np.ndarray, alphabet: np.ndarray, character: np.ndarray
) -> tuple[float, float]:
    """Return ``(low, high)``: the 95 % interval of the accuracy over alphabets in general.

    Alphabets, their characters and seeds are samples: answers on one alphabet are alike, more so
    on one character, and all seeds answer the same trials. The variance of the mean is that
    between the alphabets' means, plus what seeds differ by beyond chance (analysis of variance of
    seeds crossed with alphabets). It is never below that between characters, as few alphabets may
    look alike by luck. The interval is Wilson's for as many independent trials as have this
    variance, with Student's quantile (Dean and Pagano 2015, for proportions in cluster samples).
    ``python -m tests.benchmarks.intervals`` prints how often it holds the truth, 94 to 97 % of the
    time. Percentiles of a bootstrap over seeds, alphabets and characters do not: 85 to 91 % with
    four alphabets, up to 99 % with ten of few trials.

    One seed says nothing about others, so their differences are then left out.

    Args:
        credit: ``[S, T]``, each seed's credit for each trial, in [0, 1].
        alphabet: int ``[T]``, of each trial; at least two different ones.
        character: int ``[T]``, of each trial's query.

    Raises:
        ValueError: the trials are of a single alphabet.
    """
    alphabets, place = np.unique(alphabet, return_inverse=True)
    seeds, number = len(credit), len(alphabets)
    if number < 2:
        raise ValueError("an interval over alphabets needs trials of at least two")
    mean = float(credit.mean())
    # Of each seed on each alphabet, weighted by its trials: [S, A].
    share = (credit - mean) * (number / credit.shape[1])
    parts = np.stack([np.bincount(place, row, number) for row in share])
    by_seed, by_alphabet = parts.mean(1, keepdims=True), parts.mean(0, keepdims=True)
    between = float((by_alphabet**2).sum()) / (number - 1) / number
    extra = 0.0
    if seeds > 1:
        rest = float(((parts - by_seed - by_alphabet) ** 2).sum()) / ((seeds - 1) * (number - 1))
        extra = max(0.0, float((by_seed**2).sum()) / (seeds - 1) - rest / number) / seeds
    variance = between + extra
    # Satterthwaite's, of a sum of two estimates.
    freedom = float(number - 1)
    if extra:
        freedom = variance**2 / (between**2 / (number - 1) + extra**2 / (seeds - 1))
    characters, floor = _between_characters(credit.mean(0) - mean, character)
    variance = max(variance, floor)
    trials = mean * (1 - mean) / variance if variance and 0 < mean < 1 else characters
    return _wilson(mean, trials, _student_95(freedom))


def _between_characters(residual: np.ndarray, character: np.ndarray) -> tuple[int, float]:
    """Return how many there are, and the variance of the mean if each were drawn by itself."""
    names, place = np.unique(character, return_inverse=True)
    totals = np.bincount(place, residual / len(residual))
    count = len(names)
    return count, float((totals**2).sum()) * count / max(1, count - 1)


def interval(values: Sequence[float], trials: int) -> tuple[float, float, float]:
    """Return ``(mean, low, high)``: the 95 % interval of accuracies in [0, 1] over ``trials``.

    It holds for the alphabets of these trials alone; see `alphabet_interval` for others.

    One seed: Wilson's interval for ``trials`` independent trials. Several: its half-widths and
    that of Student's interval over the seeds, added in quadrature, as both the trials and the
    seeds are samples. All seeds are scored on the same trials, so more seeds do not make up for
    few trials: the interval is never narrower than Wilson's for one seed.
    """
    mean = math.fsum(values) / len(values)
    low, high = _wilson(mean, trials, _NORMAL_95)
    spread = _student(values, mean)
    return (
        mean,
        max(0.0, mean - math.hypot(mean - low, spread)),
        min(1.0, mean + math.hypot(high - mean, spread)),
    )


def _wilson(mean: float, trials: float, quantile: float) -> tuple[float, float]:
    z2 = quantile**2
    centre = (mean + z2 / (2 * trials)) / (1 + z2 / trials)
    variance = mean * (1 - mean) / trials + z2 / (4 * trials**2)
    half = quantile * math.sqrt(max(0.0, variance)) / (1 + z2 / trials)
    # At 0 and at 1, rounding must not put the mean outside.
    return min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half))


def _student(values: Sequence[float], mean: float) -> float:
    if len(values) < 2:
        return 0.0
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return _student_95(len(values) - 1) * math.sqrt(variance / len(values))


def _student_95(freedom: float) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, freedom))
