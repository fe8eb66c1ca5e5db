import pytest

from model.evaluation.intervals import interval


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
