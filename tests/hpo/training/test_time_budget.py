import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from hpo.search.workers.worker import Job
from hpo.training.data import StudyData, load_data
from hpo.training.time_budget import fit_to_time
from model.hyperparameters import Budget, Hyperparameters
from model.training.trainer import EpochResult

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
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float, expected: Budget
) -> None:
    def probe(
        self: StudyData, hyperparameters: Hyperparameters, budget: Budget, seed: int
    ) -> Probe:
        return Probe(budget)

    monkeypatch.setattr(StudyData, "trainer", probe)
    space, inputs = job.run.config.space(), load_data(job.run)
    first = space.hyperparameters(space.initial_configurations[0])
    file = tmp_path / "new" / "budget.json"
    assert fit_to_time(inputs, first, BUDGET, seconds, file) == expected
    whole = file.read_bytes()
    # A fit resumed on a machine that is busy by now has the budget that it began with.
    assert fit_to_time(inputs, first, BUDGET, 9 * seconds, file) == expected
    # Nor is one changed that an earlier version kept, without a seal.
    file.write_text(json.dumps(asdict(expected)))
    assert fit_to_time(inputs, first, BUDGET, 9 * seconds, file) == expected
    # A damaged file is not believed.
    for damaged in (b"{", whole.replace(b'"patience": ', b'"patience": 1')):
        file.write_bytes(damaged)
        assert fit_to_time(inputs, first, BUDGET, seconds, file) == expected
        assert file.with_name("budget.json.damaged").exists()


def test_the_probe_is_short_and_its_budget_real(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    space, inputs = job.run.config.space(), load_data(job.run)
    first = space.hyperparameters(space.initial_configurations[0])
    budgets = []
    trainer = StudyData.trainer

    def recorded(self: StudyData, *arguments: Any, seed: int) -> Any:
        budgets.append(arguments[1])
        return trainer(self, *arguments, seed=seed)

    monkeypatch.setattr(StudyData, "trainer", recorded)
    scaled = fit_to_time(inputs, first, replace(BUDGET, teraflops=1.0), 0.5, tmp_path / "b.json")
    (probe,) = budgets
    assert (probe.epochs, probe.teraflops) == (2, None)
    assert probe.pairs_per_epoch == 8 * first.recipe.pairs_per_batch < BUDGET.pairs_per_epoch
    assert scaled.epochs >= 1
    assert (scaled.seconds, scaled.teraflops) == (None, None)
