import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation.scores import error_rates, verification_accuracy
from model.net.calibration import IDENTITY, Calibration, best_threshold

FLOATS = st.floats(-1e6, 1e6, width=32)
PAIRS = st.lists(st.tuples(FLOATS, st.booleans()), min_size=1, max_size=40)


def columns(pairs: list[tuple[float, bool]]) -> tuple[torch.Tensor, torch.Tensor]:
    scores = torch.tensor([score for score, _ in pairs])
    return scores, torch.tensor([float(alike) for _, alike in pairs])


def drawn(level: float, spread: float, number: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits around a level, same pairs above different ones, with an overlap."""
    generator = torch.Generator().manual_seed(0)
    same = torch.arange(number) % 2 == 0
    noise = torch.randn(number, generator=generator)
    return level + spread * (noise + torch.where(same, 1.5, -1.5)), same.float()


@given(PAIRS)
@settings(max_examples=200)
def test_similarities_are_monotone_distinct_and_in_range(pairs: list[tuple[float, bool]]) -> None:
    """In float32, from well below the lowest score to well above the highest."""
    scores, same = columns(pairs)
    calibration = Calibration.fit(scores, same)
    assert math.isfinite(calibration.shift)
    assert 0 < calibration.scale < math.inf
    below = max(calibration.shift - float(scores.min()), 1e-6)
    above = max(float(scores.max()) - calibration.shift, 1e-6)
    span = max(below, above)
    logits = calibration.shift + np.linspace(-1.5 * below, 1.3 * above, 300)
    logits = np.unique(logits.astype(np.float32))
    # Float32 itself has fewer numbers far from 0; what it does not tell apart is no test.
    logits = logits[np.diff(logits, prepend=-np.inf) > 1e-3 * span]
    found = calibration(torch.from_numpy(logits)).numpy()
    assert found.dtype == np.float32
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert (np.diff(found) > 0).all()


@given(
    st.lists(st.sampled_from([-1e30, -3.0, 0.0, 5.0, 1e30, math.inf, -math.inf, math.nan])),
    st.sampled_from(["all", "none", "some"]),
)
@settings(max_examples=100)
def test_hostile_scores_give_numbers(scores: list[float], which: str) -> None:
    same = torch.tensor([float(which == "all" or (which == "some" and i % 3 == 0)) for i in scores])
    calibration = Calibration.fit(torch.tensor(scores), same)
    assert math.isfinite(calibration.shift)
    assert 0 < calibration.scale < math.inf


@pytest.mark.parametrize("constant", [-30.0, 0.0, 1e-30, 95.0])
def test_a_net_that_says_nothing_is_calibrated_all_the_same(constant: float) -> None:
    calibration = Calibration.fit(torch.full((10,), constant), torch.tensor([1.0, 0.0] * 5))
    assert abs(calibration.shift - constant) == pytest.approx(1)
    assert 0 < calibration.scale < 10
    assert Calibration.fit(torch.empty(0), torch.empty(0)) == IDENTITY


@pytest.mark.parametrize(("level", "spread"), [(0.0, 1.0), (92.0, 4.0), (-27.0, 2.0), (0.0, 0.01)])
def test_a_half_is_the_threshold_whatever_the_level(level: float, spread: float) -> None:
    scores, same = drawn(level, spread)
    calibration = Calibration.fit(scores, same)
    assert calibration.shift == best_threshold(scores, same)
    similarity = calibration(scores)
    assert torch.equal(similarity >= 0.5, scores >= calibration.shift)
    assert float(similarity[same > 0.5].median()) > 0.8
    assert float(similarity[same < 0.5].median()) < 0.2
    assert similarity.unique().numel() == scores.unique().numel()
    # Level and spread say nothing: the similarities are those of the same pairs at any.
    plain = Calibration.fit(*drawn(0.0, 1.0))(drawn(0.0, 1.0)[0])
    assert torch.allclose(similarity, plain, atol=0.01)


def test_the_scale_is_the_most_likely_one() -> None:
    """Of pairs whose odds are known: a logit of 2 means 2 to them, whatever it is multiplied by."""
    generator = torch.Generator().manual_seed(1)
    true = 4 * torch.rand(20_000, generator=generator) - 2
    same = (torch.rand(20_000, generator=generator) < true.sigmoid()).float()
    found = Calibration.fit(7 * true, same)
    assert found.scale == pytest.approx(1 / 7, rel=0.1)
    assert found.shift == pytest.approx(0, abs=2)


@pytest.mark.parametrize("gap", [0.5, 5.0, 500.0])
def test_pairs_told_apart_without_fail_do_not_diverge(gap: float) -> None:
    scores = torch.tensor([gap + 0.1 * i for i in range(20)] + [-gap - 0.1 * i for i in range(20)])
    same = (scores > 0).float()
    similarity = Calibration.fit(scores, same)(scores)
    assert float(similarity.max()) < 0.9976
    assert float(similarity[:20].min()) > 0.7
    assert similarity.unique().numel() == 40


def test_scores_the_wrong_way_round_keep_their_order() -> None:
    scores, same = drawn(0.0, 1.0)
    assert Calibration.fit(scores, 1 - same).scale > 0


def test_it_is_the_sigmoid_as_far_as_numbers_go() -> None:
    logits = torch.linspace(-80, 15, 500)
    assert torch.allclose(IDENTITY(logits), logits.sigmoid(), rtol=1e-5, atol=0)
    assert torch.equal(
        IDENTITY(torch.tensor([-math.inf, 0.0, math.inf])), torch.tensor([0.0, 0.5, 1.0])
    )


@pytest.mark.parametrize(("shift", "scale"), [(math.nan, 1), (0, 0), (0, -1), (0, math.inf)])
def test_what_is_no_calibration_is_refused(shift: float, scale: float) -> None:
    with pytest.raises(ValueError, match="scale above 0"):
        Calibration(shift=shift, scale=scale)


def test_error_rates_by_hand() -> None:
    scores = torch.tensor([3.0, 1.0, 0.0, -1.0, 2.0])
    same = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0])
    assert error_rates(scores, same, 1.0) == (1 / 2, 1 / 3)
    assert error_rates(scores, same, 5.0) == (0, 1)
    assert error_rates(scores, torch.ones(5), 5.0) == (0, 1)
    scores, same = drawn(3.0, 1.0)
    threshold = best_threshold(scores, same)
    false_accept, false_reject = error_rates(scores, same, threshold)
    assert (false_accept + false_reject) / 2 == pytest.approx(
        1 - verification_accuracy(scores, same, threshold)
    )
