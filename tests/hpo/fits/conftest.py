from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
import torch
from onnx.helper import make_graph, make_model, make_node, make_tensor_value_info

import hpo.fits.held_out
from data.errors import DataUnavailable
from model.training.trainer import EpochResult, Trainer
from tests.hpo.support import tiny_dataset
from tests.model.support import SHAPES, drawing

_EXPORT = torch.onnx.export


@pytest.fixture(autouse=True)
def tiny_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test on the tiny data set, without MNIST, and save after every epoch."""

    def no_mnist(root: Path) -> None:
        raise DataUnavailable("there is no MNIST here")

    monkeypatch.setattr(hpo.fits.held_out, "load", lambda **_: tiny_dataset())
    monkeypatch.setattr(hpo.fits.held_out, "load_mnist", no_mnist)
    monkeypatch.setattr("hpo.training.resumable.CHECKPOINT_SECONDS", 0)


@pytest.fixture(autouse=True)
def no_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export a net of one node instead: the exporter takes longer than the rest of a tiny fit."""
    floats = onnx.TensorProto.FLOAT
    a, b = (make_tensor_value_info(name, floats, ["batch"]) for name in ("a", "b"))
    model = make_model(make_graph([make_node("Relu", ["a"], ["b"])], "stand-in", [a], [b]))
    stand_in = SimpleNamespace(model_proto=model)
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: stand_in)


@pytest.fixture
def real_onnx(no_onnx: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Export the nets themselves."""
    monkeypatch.setattr(torch.onnx, "export", _EXPORT)


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
