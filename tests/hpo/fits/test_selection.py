import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import optuna
import pytest
import torch
from rich.console import Console

import hpo.fits.selection
from data.batches.one_shot import OneShotTrials
from hpo.fits.held_out import fresh_trials
from hpo.fits.selection import race, rounds
from hpo.results.metrics import Candidate
from hpo.search.workers.worker import Job
from hpo.terminal.fit_progress import FitProgress
from model.hyperparameters import Budget, Hyperparameters
from tests.hpo.support import distributions, epoch_result

BUDGETS = [Budget(epochs=n, pairs_per_epoch=128, patience=9, momentum_epochs=9) for n in (1, 2, 3)]


class FakeFit:
    """A fit of two seconds an epoch, whose net scores its units and seed in percent."""

    def __init__(self, hyperparameters: Hyperparameters, budget: Budget, seed: int):
        self.score = (hyperparameters.architecture.units + seed) / 100
        self.history = [epoch_result(n + 1, self.score) for n in range(budget.epochs)]
        self.seconds = 2.0 * budget.epochs
        self.collapsed = hyperparameters.architecture.units == 24 and seed == 2

    def net(self, device: object) -> float:
        return self.score


class FakeFitter:
    def fit(
        self, hyperparameters: Hyperparameters, budget: Budget, seed: int, on_epoch: Any
    ) -> FakeFit:
        fitted = FakeFit(hyperparameters, budget, seed)
        on_epoch(fitted.history)
        return fitted


def chosen(
    job: Job, monkeypatch: pytest.MonkeyPatch, units: Sequence[int]
) -> tuple[list[Candidate], float, str]:
    """Choose among trials of these units, found in the search in falling order."""

    def scored(net: float, trials: OneShotTrials) -> float:
        assert len(trials) == 4000
        return net

    monkeypatch.setattr(hpo.fits.selection, "one_shot_accuracy", scored)
    space = job.run.config.space()
    trials = []
    for number, size in enumerate(units):
        trial = optuna.trial.create_trial(
            params={**space.initial_configurations[0], "fc.units": size},
            distributions=distributions(space),
            value=0.9 - 0.01 * number,
        )
        trial.number = number
        trials.append(trial)
    fitter: Any = FakeFitter()
    output = io.StringIO()
    with FitProgress(Console(file=output, width=200), 6) as progress:
        candidates, seconds = race(
            trials,
            space,
            fitter,
            (BUDGETS * len(units))[: len(units)],
            lambda later: fresh_trials(job.run, 0, later),
            (0, 2),
            progress,
        )
    return candidates, seconds, output.getvalue()


def test_the_best_of_the_retrained_comes_first(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    candidates, seconds, output = chosen(job, monkeypatch, (16, 32, 24))
    assert [candidate.trial for candidate in candidates] == [1, 2, 0]
    first = candidates[0]
    assert first.scores == [0.32, 0.34]
    assert first.mean == pytest.approx(0.33)
    assert first.low < first.mean < first.high
    assert first.search_value == pytest.approx(0.89)
    assert (first.trials, first.pairs_seen) == (4000, 256)
    assert seconds == 2 * 2.0 * (1 + 2 + 3)
    assert "trial 1: 89.0% in the search, retrained 33.0%" in output
    assert [candidate.collapsed for candidate in candidates] == [0, 1, 0]
    assert output.count("1 collapsed") == 1


def test_of_equals_the_search_decides(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    candidates, _, _ = chosen(job, monkeypatch, (16, 16, 16))
    assert [candidate.trial for candidate in candidates] == [0, 1, 2]


def test_rounds_keep_the_best_third() -> None:
    assert [rounds(number) for number in (1, 3, 4, 9, 27)] == [[1], [3], [4, 2], [9, 3], [27, 9, 3]]


def test_a_race_trains_the_best_third_three_times_as_long(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.hpo.fits.test_selection.BUDGETS", [replace(BUDGETS[0], epochs=9)])
    candidates, seconds, output = chosen(job, monkeypatch, (8, 16, 32, 24, 8, 16, 8))
    assert [candidate.trial for candidate in candidates[:3]] == [2, 3, 1]
    assert [candidate.later for candidate in candidates] == [0] * 3 + [1] * 7
    assert [candidate.trial for candidate in candidates[3:6]] == [2, 3, 1]
    assert {candidate.pairs_seen for candidate in candidates[:3]} == {9 * 128}
    assert {candidate.pairs_seen for candidate in candidates[3:]} == {3 * 128}
    assert seconds == 2 * 2.0 * (7 * 3 + 3 * 9)
    assert "round 1 of 2: 7 candidates" in output
    first, second = (fresh_trials(job.run, 0, later) for later in (0, 1))
    assert not torch.equal(first.query, second.query)
