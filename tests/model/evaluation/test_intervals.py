import itertools

import numpy as np
import pytest
from scipy.stats import t

from model.evaluation.intervals import alphabet_interval, interval
from tests.benchmarks.intervals import DESIGNS, SPREADS, Design, coverage, over_trials

ALPHABET = np.repeat(np.arange(4), 6)
CHARACTER = np.repeat(np.arange(12), 2)


def test_one_seed_has_wilsons_interval() -> None:
    # Newcombe (1998), table I: 81 of 263.
    mean, low, high = interval([81 / 263], 263)
    assert mean == pytest.approx(81 / 263)
    assert (low, high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


def test_seeds_widen_the_interval_and_never_narrow_it() -> None:
    _, low, high = interval([0.9], 400)
    assert interval([0.9] * 5, 400) == (pytest.approx(0.9), pytest.approx(low), pytest.approx(high))
    _, spread_low, spread_high = interval([0.85, 0.9, 0.95], 400)
    # Student's half-width over three seeds alone: 4.303 * 0.05 / sqrt(3).
    assert 0.9 - spread_low > 0.1242
    assert spread_low < low < high < spread_high


@pytest.mark.parametrize("values", [[0.0], [1.0], [0.0, 1.0], [1.0] * 3])
def test_intervals_hold_the_mean_and_stay_in_range(values: list[float]) -> None:
    mean, low, high = interval(values, 20)
    assert 0 <= low <= mean <= high <= 1
    assert low < high


@pytest.mark.parametrize(("design", "accuracy"), list(itertools.product(DESIGNS, (0.9, 0.98))))
def test_intervals_over_alphabets_hold_the_truth(design: Design, accuracy: float) -> None:
    """Nominally 95 %; in 400 replications the standard error is 1.1 %."""
    case = (design, accuracy, 3, SPREADS["as measured"], 400)
    held, _ = coverage(alphabet_interval, *case)
    assert 0.93 <= held <= 0.98


def test_intervals_over_trials_do_not_hold_for_other_alphabets() -> None:
    """So the simulation tells the two apart."""
    held, _ = coverage(over_trials, DESIGNS[1], 0.9, 5, SPREADS["as measured"], 200)
    assert held < 0.75


def test_alphabets_are_what_counts_and_not_trials() -> None:
    """By hand: the means are 1, 1/2, 1/2 and 0, their variance 1/6, that of the mean 1/24."""
    credit = np.array([[1.0] * 6 + [1, 0, 1, 0, 1, 0] * 2 + [0.0] * 6])
    low, high = alphabet_interval(credit, ALPHABET, CHARACTER)
    # Wilson's of 1/4 * 24 = 6 trials, with Student's quantile for 3 degrees of freedom, 3.182.
    z = 3.182446
    half = z * (1 / (4 * 6) + z**2 / (4 * 36)) ** 0.5 / (1 + z**2 / 6)
    assert (low, high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))
    often = (np.tile(one, 5) for one in (ALPHABET, CHARACTER))
    assert alphabet_interval(np.tile(credit, 5), *often) == pytest.approx((low, high))
    more = np.concatenate([ALPHABET, ALPHABET + 4]), np.concatenate([CHARACTER, CHARACTER + 12])
    narrower = alphabet_interval(np.tile(credit, 2), *more)
    assert low < narrower[0] < narrower[1] < high


def test_seeds_that_differ_widen_it_and_others_do_not() -> None:
    """Beside the interval of the seeds' mean answers, which knows alphabets alone."""
    rng = np.random.default_rng(0)
    row = (rng.random(24) < 0.8).astype(float)
    one = alphabet_interval(row[None], ALPHABET, CHARACTER)
    assert alphabet_interval(np.stack([row] * 3), ALPHABET, CHARACTER) == pytest.approx(one)
    for bad, wider in ((np.zeros(24), True), (np.roll(row, 1), False)):
        seeds = np.stack([row, row, bad])
        low, high = alphabet_interval(seeds, ALPHABET, CHARACTER)
        of_mean = alphabet_interval(seeds.mean(0)[None], ALPHABET, CHARACTER)
        assert (high - low > of_mean[1] - of_mean[0] + 0.05) is wider
        assert (low, high) == pytest.approx(of_mean) or wider


def test_what_seeds_differ_by_is_added_to_what_alphabets_do() -> None:
    """By hand: alphabets give 1/12 / 4, seeds 1/8 / 2, and nothing is left to chance."""
    half, none = [1.0, 0.0] * 3, [0.0] * 6
    credit = np.array([[1.0] * 12 + half * 2, half * 2 + none * 2])
    low, high = alphabet_interval(credit, ALPHABET, CHARACTER)
    variance = 1 / 48 + 1 / 16
    freedom = variance**2 / ((1 / 48) ** 2 / 3 + (1 / 16) ** 2)
    trials, z = 0.25 / variance, float(t.ppf(0.975, freedom))
    width = z * (0.25 / trials + z**2 / (4 * trials**2)) ** 0.5 / (1 + z**2 / trials)
    assert (low, high) == (pytest.approx(0.5 - width), pytest.approx(0.5 + width))


def test_alphabets_alike_by_luck_leave_the_characters_variance() -> None:
    credit = np.array([[1.0, 1, 1, 1, 0, 0] * 4])
    low, high = alphabet_interval(credit, ALPHABET, CHARACTER)
    assert high - low > 0.5, "of 12 characters, 4 of them wrong"


@pytest.mark.parametrize("value", [0.0, 0.05, 1.0])
def test_answers_that_are_all_alike_still_have_an_interval(value: float) -> None:
    low, high = alphabet_interval(np.full((2, 24), value), ALPHABET, CHARACTER)
    assert 0 <= low <= value <= high <= 1
    assert low < high


def test_a_single_alphabet_is_no_sample_of_alphabets() -> None:
    with pytest.raises(ValueError, match="at least two"):
        alphabet_interval(np.ones((1, 3)), np.zeros(3, int), np.arange(3))
