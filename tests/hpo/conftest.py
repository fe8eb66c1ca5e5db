from pathlib import Path

import pytest
import torch

import data.sources.table
import hpo.training.data
from hpo.search.workers.worker import Job
from tests.data.conftest import write_folder
from tests.hpo.support import tiny_dataset, tiny_job

# Threads that wait for each other cost more than they give in nets this small.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def tiny_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every study of these tests learns from the tiny data set, unless in another process."""
    monkeypatch.setattr(hpo.training.data, "load", lambda **_: tiny_dataset())


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """The work on a fresh tiny study."""
    return tiny_job(tmp_path)


@pytest.fixture
def real_loading(tiny_data: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the folder that is given, with a cache of this test's own."""
    monkeypatch.setattr(hpo.training.data, "load", data.sources.table.load)
    monkeypatch.setenv("SIAMESE_HPO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """A folder of the user's own, of three alphabets."""
    return write_folder(tmp_path / "letters", (6, 5, 5), 4)
