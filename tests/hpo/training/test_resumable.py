from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpo.training.checkpoints import Checkpoints
from hpo.training.data import load_data
from hpo.training.resumable import Fitter
from model.hyperparameters import Budget
from model.training.trainer import EpochResult
from tests.hpo.support import tiny_config

BUDGET = Budget(epochs=200, pairs_per_epoch=15_000, patience=20, momentum_epochs=50)


class Probe:
    """A trainer of 1,000 pairs a second that takes 5 seconds to validate: 20 an epoch of BUDGET."""

    def __init__(self, budget: Budget):
        self.budget = budget

    def epochs(self) -> Iterator[EpochResult]:
        pairs = self.budget.pairs_per_epoch
        for epoch in (1, 2):
            speed = 1_000 if epoch == 2 else 10  # what the first one sets up does not count
            yield EpochResult(
                epoch=epoch,
                loss=0.5,
                verification_accuracy=0.5,
                one_shot_accuracy=0.05,
                seconds=pairs / speed + 5,
                pairs_per_second=speed,
                pairs_seen=epoch * pairs,
                diverged=False,
            )


@pytest.fixture
def fitter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fitter:
    def probe(self: Fitter, hyperparameters: Any, budget: Budget, seed: int) -> Probe:
        return Probe(budget)

    monkeypatch.setattr(Fitter, "_trainer", probe)
    config = tiny_config()
    inputs = load_data(config, None, "cpu")
    return Fitter(inputs, config.identity(), "cpu", Checkpoints(tmp_path / "checkpoints"))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (4_000, BUDGET),
        (8_000, replace(BUDGET, epochs=400, patience=40, momentum_epochs=100)),
        # Three epochs of patience would stop at the first run of bad luck.
        (600, replace(BUDGET, epochs=30, patience=20, momentum_epochs=8)),
        (15, replace(BUDGET, epochs=1, pairs_per_epoch=10_000, momentum_epochs=1)),
    ],
)
def test_a_budget_becomes_minutes(
    fitter: Fitter, tmp_path: Path, seconds: float, expected: Budget
) -> None:
    config = tiny_config()
    space = config.space()
    hyperparameters = space.hyperparameters(space.initial_configurations[0])
    kept = tmp_path / "budget.json"
    assert fitter.fit_to_time(hyperparameters, BUDGET, seconds, kept) == expected
    # A fit that goes on, on a machine that is busy by now, finds what it began with.
    assert fitter.fit_to_time(hyperparameters, BUDGET, 9 * seconds, kept) == expected
