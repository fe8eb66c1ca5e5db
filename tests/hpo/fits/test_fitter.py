import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from hpo.fits.fitter import Fitter, TrainedNet
from hpo.search.workers.worker import Job
from hpo.training.checkpoints import Checkpoints
from hpo.training.data import load_data
from model.evaluation.scores import one_shot_accuracy
from model.training.trainer import EpochResult, Trainer


@pytest.fixture
def fitter(job: Job, tmp_path: Path) -> Fitter:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    return Fitter(load_data(job.run), job.run.config.identity(), checkpoints)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the epochs that are trained from here on."""
    epochs: list[int] = []
    epoch = Trainer._epoch

    def counted(self: Trainer, number: int) -> EpochResult:
        epochs.append(number + 1)
        return epoch(self, number)

    monkeypatch.setattr(Trainer, "_epoch", counted)
    return epochs


def fit(
    job: Job,
    fitter: Fitter,
    seed: int = 0,
    epochs: int = 3,
    precision: Literal["auto", "fp32"] = "auto",
    **told: Any,
) -> TrainedNet:
    config = job.run.config
    space = config.space()
    first = space.hyperparameters(space.initial_configurations[0])
    first = replace(first, recipe=replace(first.recipe, precision=precision))
    return fitter.fit(first, replace(config.training_budget(), epochs=epochs), seed, **told)


def same(one: TrainedNet, other: TrainedNet) -> bool:
    return (
        [r.one_shot_accuracy for r in one.history] == [r.one_shot_accuracy for r in other.history]
        and one.best_epoch == other.best_epoch
        and all(torch.equal(one.parameters[n], other.parameters[n]) for n in one.parameters)
    )


def test_the_net_is_that_of_the_best_epoch(job: Job, fitter: Fitter) -> None:
    # In single precision, as the net is used later.
    fitted = fit(job, fitter, precision="fp32")
    accuracies = [result.one_shot_accuracy for result in fitted.history]
    assert accuracies[fitted.best_epoch - 1] == max(accuracies)
    net = fitted.net()
    assert not net.training
    trials = fitter.inputs.validation.trials
    assert one_shot_accuracy(net, trials) == pytest.approx(max(accuracies), abs=1e-6)
    assert fitted.seconds == sum(result.seconds for result in fitted.history)


def test_a_finished_fit_is_loaded_and_shown(job: Job, fitter: Fitter, trained: list[int]) -> None:
    first = fit(job, fitter)
    assert trained == [1, 2, 3]
    shown: list[int] = []
    again = fit(job, fitter, on_epoch=lambda history: shown.append(len(history)))
    assert trained == [1, 2, 3]
    assert shown == [3]
    assert same(first, again)


def test_an_interrupted_fit_is_resumed(job: Job, fitter: Fitter, trained: list[int]) -> None:
    def killed(history: list[EpochResult]) -> None:
        if len(history) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(job, fitter, on_epoch=killed)
    shown: list[int] = []
    resumed = fit(job, fitter, on_epoch=lambda history: shown.append(len(history)))
    assert trained == [1, 2, 2, 3]
    assert shown == [2, 3, 3]
    other = Fitter(fitter.inputs, "other", Checkpoints(fitter.checkpoints.folder / "other"))
    assert same(resumed, fit(job, other))


def collapsing(monkeypatch: pytest.MonkeyPatch, *seeds: int) -> None:
    """Let the trainings of these seeds fall to chance after their first epoch."""
    epoch = Trainer._epoch

    def collapse(self: Trainer, number: int) -> EpochResult:
        result = epoch(self, number)
        if self.seed not in seeds:
            return replace(result, loss=0.5)
        chance = 1 / self.validation.trials.way
        return replace(result, loss=1.0, one_shot_accuracy=chance if number else 0.95)

    monkeypatch.setattr(Trainer, "_epoch", collapse)


def test_a_fit_that_collapses_is_retried_once_with_another_seed(
    job: Job, fitter: Fitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    collapsing(monkeypatch, 0)
    fitted = fit(job, fitter)
    assert (fitted.seed, fitted.retry_of, fitted.collapsed) == (500_000, 0, False)
    assert fitted.seconds > sum(result.seconds for result in fitted.history)
    assert same(fitted, fit(job, fitter, seed=500_000))
    healthy = fit(job, fitter, seed=1)
    assert (healthy.seed, healthy.retry_of, healthy.lost) == (1, None, 0)


def test_a_fit_that_collapses_twice_says_so(
    job: Job, fitter: Fitter, monkeypatch: pytest.MonkeyPatch, trained: list[int]
) -> None:
    collapsing(monkeypatch, 0, 500_000)
    fitted = fit(job, fitter)
    assert (fitted.seed, fitted.retry_of, fitted.collapsed) == (500_000, 0, True)
    assert fitted.best_epoch == 1
    assert trained == [1, 2, 3, 1, 2, 3]
    # Both are kept.
    fit(job, fitter)
    assert len(trained) == 6


def test_no_fit_is_taken_for_another(job: Job, fitter: Fitter, trained: list[int]) -> None:
    fit(job, fitter)
    fit(job, fitter, seed=1)
    fit(job, fitter, epochs=1)
    fit(job, Fitter(fitter.inputs, "another study", fitter.checkpoints))
    inputs = replace(fitter.inputs, digest="other data")
    fit(job, Fitter(inputs, fitter.identity, fitter.checkpoints))
    assert trained == [1, 2, 3, 1, 2, 3, 1, 1, 2, 3, 1, 2, 3]
    assert len(list(fitter.checkpoints.folder.glob("*.pt"))) == 5


def test_the_key_of_a_checkpoint_never_changes(job: Job, fitter: Fitter) -> None:
    """Another key would start every fit that is begun from its first epoch."""
    saved: list[tuple[int, str]] = []

    class Recorded(Checkpoints):
        def load(self, number: int, key: str) -> Any:
            saved.append((number, hashlib.sha256(key.encode()).hexdigest()))
            raise KeyboardInterrupt

    inputs = replace(fitter.inputs, digest="0" * 64)
    recorded = Fitter(inputs, fitter.identity, Recorded(fitter.checkpoints.folder))
    space = job.run.config.space()
    first = space.hyperparameters(space.initial_configurations[0])
    with pytest.raises(KeyboardInterrupt):
        recorded.fit(first, job.run.config.final_budget(), seed=7)
    key = "f26716cf9b6fe3abbfbdfa635af3e98c28416fc8b667b7e1a12c5d3cfe50134e"
    assert saved == [(4066842319, key)]
