from pathlib import Path

import pytest
import torch
from hypothesis import settings

import hpo.training.data
from hpo.search.workers.worker import Job
from tests.hpo.support import tiny_dataset, tiny_job

# Threads that wait for each other cost more than they give in nets this small.
torch.set_num_threads(1)
# The clock of a busy machine says nothing of an example.
settings.register_profile("patient")
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def tiny_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every study of these tests learns from the tiny data set, unless in another process."""
    monkeypatch.setattr(hpo.training.data, "load", lambda **_: tiny_dataset())


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """The work on a fresh tiny study."""
    return tiny_job(tmp_path)
