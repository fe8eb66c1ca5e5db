from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hpo.search.workers.worker import Job
from hpo.training.checkpoints import Checkpoints
from hpo.training.data import StudyData, load_data
from hpo.training.resumable import ResumableTraining
from model.training.trainer import EpochResult, Trainer

EPOCHS = 4


@pytest.fixture
def inputs(job: Job) -> StudyData:
    return load_data(job.run)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def training(
    job: Job, inputs: StudyData, checkpoints: Checkpoints | None, key: str = "key"
) -> ResumableTraining:
    config = job.run.config
    space = config.space()
    first = space.hyperparameters(space.initial_configurations[0])
    budget = replace(config.training_budget(), epochs=EPOCHS, patience=EPOCHS)
    return ResumableTraining(inputs.trainer(first, budget, seed=0), checkpoints, number=7, key=key)


def proceed(_: EpochResult) -> bool:
    return False


def learned(trainer: Trainer) -> list[dict[str, Any]]:
    """Return the history without what depends on the machine's speed."""
    timed = ("seconds", "pairs_per_second")
    return [{k: v for k, v in asdict(r).items() if k not in timed} for r in trainer.history]


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_resumed_training_equals_an_uninterrupted_one(
    job: Job,
    inputs: StudyData,
    checkpoints: Checkpoints,
    monkeypatch: pytest.MonkeyPatch,
    epoch: int,
) -> None:
    monkeypatch.setattr("hpo.training.resumable.CHECKPOINT_SECONDS", 0)
    whole = training(job, inputs, None)
    assert not whole.resume()
    assert whole.run(proceed) is None
    assert len(whole.trainer.history) == EPOCHS

    def killed(result: EpochResult) -> bool:
        if result.epoch == epoch + 1:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        training(job, inputs, checkpoints).run(killed)
    assert not training(job, inputs, checkpoints, key="another key").resume()
    resumed = training(job, inputs, checkpoints)
    assert resumed.resume()
    assert len(resumed.trainer.history) == epoch
    seen: list[int] = []
    assert resumed.run(lambda result: bool(seen.append(result.epoch))) is None  # type: ignore[func-returns-value]
    assert seen == list(range(epoch + 1, EPOCHS + 1))
    assert learned(resumed.trainer) == learned(whole.trainer)
    for name, value in whole.trainer.best_parameters.items():
        assert torch.equal(resumed.trainer.best_parameters[name], value)


def test_a_callback_stops_the_training_which_is_not_saved_then(
    job: Job, inputs: StudyData, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.training.resumable.CHECKPOINT_SECONDS", 0)
    stopped = training(job, inputs, checkpoints)
    last = stopped.run(lambda result: result.epoch == 2)
    assert last is not None
    assert last.epoch == len(stopped.trainer.history) == 2
    state = checkpoints.load(7, "key")
    assert state is not None
    assert len(state["history"]) == 1


def test_checkpoints_are_seconds_apart(
    job: Job, inputs: StudyData, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("hpo.training.resumable.time.monotonic", lambda: now[0])
    saved: list[int] = []
    monkeypatch.setattr(
        checkpoints, "save", lambda _, __, state: saved.append(len(state["history"]))
    )

    def later(_: EpochResult) -> bool:
        now[0] += 8
        return False

    training(job, inputs, checkpoints).run(later)
    assert saved == [2, 4]
