import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import model.evaluation.scores
from data.batches.one_shot import OneShotTrials, generate
from data.batches.pairs import PairSampler
from model.evaluation.scores import (
    accuracy,
    all_scores,
    credit,
    embed,
    one_shot_accuracy,
    one_shot_scores,
    verification_accuracy,
    verification_scores,
)
from model.net.calibration import best_threshold
from model.net.siamese import SiameseNet
from tests.model.support import TINY
from tests.synthetic import synthetic

DRAWINGS = synthetic((20, 7), drawers=4)


@pytest.fixture
def net() -> SiameseNet:
    return SiameseNet(TINY, torch.Generator().manual_seed(0))


def trials_of(way: int, number: int = 50) -> OneShotTrials:
    return generate(DRAWINGS, way=way, trials=number, variant="two_drawers", seed=0)


@pytest.mark.parametrize("way", range(2, 21))
def test_a_net_that_says_nothing_scores_exactly_chance(net: SiameseNet, way: int) -> None:
    trials = trials_of(way)
    with torch.no_grad():
        net.output.weight.zero_()
    assert one_shot_accuracy(net, trials) == pytest.approx(1 / way, abs=1e-7)
    with torch.no_grad():
        net.output.bias.fill_(float("nan"))
    assert one_shot_accuracy(net, trials) == pytest.approx(1 / way, abs=1e-7)


def test_ties_count_as_one_in_k() -> None:
    scores = torch.tensor([[1.0, 3, 3], [3, 3, 3], [1, 2, 3], [3, 2, 1], [-1, -1, -2]])
    answer = torch.tensor([1, 0, 0, 0, 0])
    assert credit(scores, answer).tolist() == pytest.approx([1 / 2, 1 / 3, 0, 1, 1 / 2])
    # Wherever the answer stands, the same.
    for place in range(3):
        shifted = credit(scores.roll(place, 1), (answer + place) % 3)
        assert torch.equal(shifted, credit(scores, answer))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_is_chance(bad: float) -> None:
    scores = torch.tensor([[5.0, bad, 1, 1]])
    for answer in range(4):
        assert credit(scores, torch.tensor([answer])).item() == 0.25


def counted(net: SiameseNet, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the images of every forward pass."""
    seen: list[int] = []
    original = net.embed

    def embed(images: Tensor) -> Tensor:
        seen.append(len(images))
        return original(images)

    monkeypatch.setattr(net, "embed", embed)
    return seen


def test_every_drawing_is_embedded_once(net: SiameseNet, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = counted(net, monkeypatch)
    trials = trials_of(20, 300)
    one_shot_scores(net, trials)
    used = torch.cat([trials.query, trials.support.flatten()]).unique()
    assert sum(seen) == len(used) <= 80
    seen.clear()
    pairs = PairSampler(DRAWINGS, 0).draw(2000)
    verification_scores(net, DRAWINGS, pairs)
    assert sum(seen) == len(torch.cat([pairs.a, pairs.b]).unique()) <= len(DRAWINGS)


@pytest.mark.parametrize(("images", "scores"), [(256, 2_000_000), (7, 100), (1, 1)])
def test_scores_are_those_of_pairs_one_by_one(
    net: SiameseNet, images: int, scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are embedded and scored at a time."""
    monkeypatch.setattr(model.evaluation.scores, "EMBED_BATCH", images)
    monkeypatch.setattr(model.evaluation.scores, "SCORE_BATCH", scores)
    trials = trials_of(5, 12)
    net.eval()
    with torch.inference_mode():
        expected = torch.stack(
            [
                net(DRAWINGS.images(query.expand(5)), DRAWINGS.images(support))
                for query, support in zip(trials.query, trials.support)
            ]
        )
        pairs = PairSampler(DRAWINGS, 0).draw(30)
        expected_pairs = net(DRAWINGS.images(pairs.a), DRAWINGS.images(pairs.b))
    assert torch.allclose(one_shot_scores(net, trials), expected, atol=1e-5)
    assert torch.allclose(verification_scores(net, DRAWINGS, pairs), expected_pairs, atol=1e-5)
    together = all_scores(net, trials, pairs)
    assert torch.allclose(together[0], expected, atol=1e-5)
    assert torch.allclose(together[1], expected_pairs, atol=1e-5)


def test_evaluation_is_without_dropout_and_gradients() -> None:
    net = SiameseNet(replace(TINY, dropout=0.5), torch.Generator().manual_seed(0)).train()
    places = torch.arange(6)
    first = embed(net, DRAWINGS, places)
    assert torch.equal(first, embed(net.train(), DRAWINGS, places))
    assert not first.requires_grad


def test_verification_of_a_constant_is_a_half(net: SiameseNet) -> None:
    pairs = PairSampler(DRAWINGS, 0).draw(100)
    for constant in (-3.0, 0.0, 2.0):
        with torch.no_grad():
            net.output.weight.zero_()
            net.output.bias.fill_(constant)
        scores = verification_scores(net, DRAWINGS, pairs)
        assert verification_accuracy(scores, pairs.same) == 0.5


def test_verification_accuracy_by_hand() -> None:
    scores = torch.tensor([2.0, -1.0, 0.5, -0.5])
    same = torch.tensor([1.0, 0, 0, 1])
    assert verification_accuracy(scores, same) == 0.5
    assert verification_accuracy(scores, same, threshold=-0.7) == 0.75
    assert verification_accuracy(scores, same, threshold=1.0) == 0.75


SCORES: Any = st.lists(
    st.tuples(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0, 1e4]), st.booleans()),
    min_size=1,
    max_size=12,
)


@given(SCORES)
@settings(max_examples=200)
def test_best_threshold_is_as_good_as_any(pairs: list[tuple[float, bool]]) -> None:
    """Ties, all alike, all different: against every cut there is."""
    scores = torch.tensor([score for score, _ in pairs])
    same = torch.tensor([float(kind) for _, kind in pairs])
    values = sorted({score for score, _ in pairs})
    between = [(a + b) / 2 for a, b in itertools.pairwise(values)]
    cuts = [-float("inf"), *between, float("inf")]
    best = max(verification_accuracy(scores, same, cut) for cut in cuts)
    threshold = best_threshold(scores, same)
    assert abs(threshold) < float("inf")
    assert verification_accuracy(scores, same, threshold) == pytest.approx(best)


def test_an_accuracy_is_a_python_float_without_digits_of_32_bits() -> None:
    for right in (96, 224, 1):
        found = accuracy(torch.arange(320) < right)
        assert type(found) is float
        assert repr(found) == repr(right / 320)
    thirds = accuracy(torch.full((9,), 1 / 3))
    assert str(thirds) == "0.3333333"
