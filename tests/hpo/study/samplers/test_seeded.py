from collections.abc import Sequence
from typing import Any

import optuna
import pytest
import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from hpo.study.samplers.seeded import SeededSampler

SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}


class Noting(BaseSampler):
    """Notes what it is asked, with how many threads."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.threads = 0

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.calls.append("before")

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        self.calls.append("space")
        return SPACE

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self.calls.append("relative")
        self.threads = torch.get_num_threads()
        return {"x": 0.5}

    def sample_independent(self, *arguments: Any) -> Any:
        self.calls.append("independent")
        return 0.25

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self.calls.append("after")


def test_all_that_optuna_asks_reaches_the_trials_own_sampler() -> None:
    made: list[Noting] = []
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        study = optuna.create_study(
            sampler=SeededSampler(lambda seed: made.append(Noting()) or made[-1])  # type: ignore[func-returns-value]
        )
        trial = study.ask()
        assert trial.suggest_float("x", 0, 1) == 0.5
        assert trial.suggest_float("y", 0, 1) == 0.25
        study.tell(trial, 1.0)
        assert made[-1].calls == ["before", "space", "relative", "independent", "after"]
        assert made[-1].threads == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("seed", [None, 7])
def test_a_trial_is_sampled_by_its_own_seed_or_its_number(seed: int | None) -> None:
    seeds: list[int] = []

    def make(given: int) -> BaseSampler:
        seeds.append(given)
        return RandomSampler(seed=given)

    study = optuna.create_study(sampler=SeededSampler(make))
    for number in range(3):
        study.enqueue_trial({}, user_attrs={} if seed is None else {"seed": seed})
        study.tell(study.ask(), 0.0)
        assert seeds[-1] == (number if seed is None else seed)


def test_another_seed_is_another_proposal_and_the_same_the_same() -> None:
    proposals = []
    for seed in (1, 1, 2):
        study = optuna.create_study(sampler=SeededSampler(lambda given: RandomSampler(seed=given)))
        study.enqueue_trial({}, user_attrs={"seed": seed})
        proposals.append(study.ask().suggest_float("x", 0, 1))
    assert proposals[0] == proposals[1] != proposals[2]
