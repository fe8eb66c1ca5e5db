import copy

import pytest
import torch

from data.batches.one_shot import generate
from model.evaluation.scores import one_shot_scores
from model.hyperparameters import Architecture
from model.net.calibration import Calibration
from model.net.ensemble import Ensemble
from model.net.siamese import SiameseNet
from tests.model.net.conftest import OTHER, PLAIN
from tests.synthetic import synthetic


def nets(architecture: Architecture = PLAIN, number: int = 3) -> list[SiameseNet]:
    """Return nets whose logits differ from pair to pair, in level and scale from net to net."""
    made = []
    for seed in range(number):
        net = SiameseNet(architecture, torch.Generator().manual_seed(seed)).eval()
        with torch.no_grad():
            pairs = torch.rand(2, 8, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
            logits = net(*pairs) - net.output.bias
            net.output.weight.mul_(10**seed / logits.std())
            net.output.bias.copy_(30.0 * seed - 10**seed * logits.mean() / logits.std())
        made.append(net)
    return made


CALIBRATIONS = [Calibration(shift=30.0 * seed, scale=10.0**-seed) for seed in range(3)]


@pytest.mark.parametrize("architecture", [PLAIN, OTHER], ids=["paper", "other"])
def test_the_logit_is_the_mean_of_the_calibrated_logits(architecture: Architecture) -> None:
    members = nets(architecture)
    a, b = torch.rand(2, 5, 1, 16, 16)
    with torch.no_grad():
        similarities = [c(net(a, b).double()) for net, c in zip(members, CALIBRATIONS, strict=True)]
        ensemble = Ensemble(members, CALIBRATIONS)
        found = ensemble.score(ensemble.embed(a), ensemble.embed(b))
    # The logarithmic opinion pool: the odds are the geometric mean of the members' odds.
    odds = torch.stack([p / (1 - p) for p in similarities]).prod(0) ** (1 / 3)
    torch.testing.assert_close(found.exp().double(), odds, rtol=1e-3, atol=1e-6)
    assert found.std() > 0.01


def test_neither_level_nor_scale_of_a_member_decides() -> None:
    members = nets()
    louder = copy.deepcopy(members[0])
    with torch.no_grad():
        louder.output.weight.mul_(50)
        louder.output.bias.mul_(50).add_(7)
    again = Calibration(shift=50 * CALIBRATIONS[0].shift + 7, scale=CALIBRATIONS[0].scale / 50)
    trials = generate(synthetic((6,), drawers=4), way=4, trials=20, variant="all_drawers", seed=0)
    plain = one_shot_scores(Ensemble(members, CALIBRATIONS), trials)
    same = one_shot_scores(Ensemble([louder, *members[1:]], [again, *CALIBRATIONS[1:]]), trials)
    assert plain.shape == (20, 4)
    torch.testing.assert_close(plain, same, rtol=1e-3, atol=1e-3)


def test_one_net_ranks_as_by_itself() -> None:
    (net,) = nets(number=1)
    trials = generate(synthetic((6,), drawers=4), way=4, trials=20, variant="all_drawers", seed=0)
    ensemble = Ensemble([net], [Calibration(shift=2.0, scale=0.5)])
    assert ensemble.architecture == net.architecture
    alone = one_shot_scores(net, trials)
    torch.testing.assert_close(one_shot_scores(ensemble, trials), 0.5 * (alone - 2.0))


def test_what_cannot_answer_as_one_is_refused() -> None:
    other = SiameseNet(OTHER)
    for members, calibrations, words in (
        ([], [], "0 nets, 0 calibrations"),
        (nets(), CALIBRATIONS[:2], "3 nets, 2 calibrations"),
        ([*nets(number=2), other], CALIBRATIONS, "one architecture"),
    ):
        with pytest.raises(ValueError, match=words):
            Ensemble(members, calibrations)
