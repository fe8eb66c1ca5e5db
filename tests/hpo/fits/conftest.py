from dataclasses import replace
from pathlib import Path

import pytest

import hpo.fits.held_out
from data.errors import DataUnavailable
from model.training.trainer import EpochResult, Trainer
from tests.hpo.support import tiny_dataset
from tests.model.support import SHAPES, drawing


@pytest.fixture(autouse=True)
def tiny_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test on the tiny data set, without MNIST, and save after every epoch."""

    def no_mnist(root: Path) -> None:
        raise DataUnavailable("there is no MNIST here")

    monkeypatch.setattr(hpo.fits.held_out, "load", lambda **_: tiny_dataset())
    monkeypatch.setattr(hpo.fits.held_out, "load_mnist", no_mnist)
    monkeypatch.setattr("hpo.training.resumable.CHECKPOINT_SECONDS", 0)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the seed of every epoch that is trained from here on."""
    epochs: list[int] = []
    epoch = Trainer._epoch

    def counted(self: Trainer, number: int) -> EpochResult:
        epochs.append(self.seed)
        return epoch(self, number)

    monkeypatch.setattr(Trainer, "_epoch", counted)
    return epochs


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Return the seeds, none as yet, whose trainings diverge in their second epoch."""
    seeds: set[int] = set()
    epoch = Trainer._epoch

    def diverge(self: Trainer, number: int) -> EpochResult:
        return replace(epoch(self, number), diverged=number == 1 and self.seed in seeds)

    monkeypatch.setattr(Trainer, "_epoch", diverge)
    return seeds


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """A folder of a stranger's drawings, ``0.png`` and so on, each a class."""
    folder = tmp_path / "strangers"
    folder.mkdir()
    for i, shape in enumerate(SHAPES):
        drawing(shape, 60).save(folder / f"{i}.png")
    return folder
