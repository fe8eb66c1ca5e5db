from pathlib import Path

import pytest

import hpo.fits.held_out
from data.errors import DataUnavailable
from tests.hpo.support import tiny_dataset


@pytest.fixture(autouse=True)
def tiny_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test on the tiny data set, without MNIST, and save after every epoch."""

    def no_mnist(root: Path) -> None:
        raise DataUnavailable("there is no MNIST here")

    monkeypatch.setattr(hpo.fits.held_out, "load", lambda **_: tiny_dataset())
    monkeypatch.setattr(hpo.fits.held_out, "load_mnist", no_mnist)
    monkeypatch.setattr("hpo.training.resumable.CHECKPOINT_SECONDS", 0)
