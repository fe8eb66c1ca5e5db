"""Confidence intervals of accuracies."""

import math
from collections.abc import Iterable, Sequence

_NORMAL_95 = 1.959964


def interval(values: Sequence[float], trials: int) -> tuple[float, float, float]:
    """Return ``(mean, low, high)``: the 95 % interval of accuracies in [0, 1] over ``trials``.

    One seed: Wilson's interval for ``trials`` independent trials. Several: its half-widths and
    that of Student's interval over the seeds, added in quadrature, as both the trials and the
    seeds are samples. All seeds are scored on the same trials, so more seeds do not make up for
    few trials: the interval is never narrower than Wilson's for one seed.
    """
    mean = math.fsum(values) / len(values)
    low, high = _wilson(mean, trials)
    spread = _student(values, mean)
    return (
        mean,
        max(0.0, mean - math.hypot(mean - low, spread)),
        min(1.0, mean + math.hypot(high - mean, spread)),
    )


def _wilson(mean: float, trials: int) -> tuple[float, float]:
    z2 = _NORMAL_95**2
    centre = (mean + z2 / (2 * trials)) / (1 + z2 / trials)
    variance = mean * (1 - mean) / trials + z2 / (4 * trials**2)
    half = _NORMAL_95 * math.sqrt(max(0.0, variance)) / (1 + z2 / trials)
    # At 0 and at 1, rounding must not put the mean outside.
    return min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half))


def _student(values: Iterable[float], mean: float) -> float:
    values = list(values)
    if len(values) < 2:
        return 0.0
    from scipy.stats import t

    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return float(t.ppf(0.975, len(values) - 1)) * math.sqrt(variance / len(values))
