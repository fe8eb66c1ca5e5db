"""After a loss of power at any moment each kept file is the old or the new one, never another."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import data.files.atomic
from data.files.atomic import remove, write_bytes
from data.files.cache import _load, _save
from data.files.packed import pack
from hpo.results.metrics import METRICS, load_metrics, save_metrics
from hpo.study.storage.location import StudyLocation
from hpo.training.checkpoints import Checkpoints
from tests.data.files.test_packed import some
from tests.hpo.report_support import fake_fit
from tests.power import put, recording


def test_a_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    states = [{"value": torch.full((300,), float(epoch))} for epoch in range(2)]
    checkpoints.save(0, "key", states[0])
    disk = recording(tmp_path, lambda: checkpoints.save(0, "key", states[1]))
    found = set()
    for content in disk.after_power_loss():
        put(tmp_path, content)
        state = checkpoints.load(0, "key")
        assert state is not None
        (which,) = (i for i in range(2) if torch.equal(state["value"], states[i]["value"]))
        found.add(which)
    assert found == {0, 1}


def test_a_first_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    disk = recording(tmp_path, lambda: checkpoints.save(0, "key", {"value": torch.ones(300)}))
    found = set()
    for content in disk.after_power_loss():
        put(tmp_path, content)
        state = checkpoints.load(0, "key")
        assert state is None or torch.equal(state["value"], torch.ones(300))
        assert not list(tmp_path.glob("*.damaged"))
        found.add(state is None)
    assert found == {True, False}


def test_a_cache_file(tmp_path: Path) -> None:
    packed = [pack(some(seed=seed), 9, binary=True) for seed in range(2)]
    path = tmp_path / "drawings.npz"
    _save(path, packed[0])
    disk = recording(tmp_path, lambda: _save(path, packed[1]))
    digests = set()
    for content in disk.after_power_loss():
        put(tmp_path, content)
        loaded = _load(path)
        assert any(np.array_equal(loaded.rows, one.rows) for one in packed)
        digests.add(loaded.digest)
    assert digests == {one.digest for one in packed}


def test_the_results_of_a_fit(tmp_path: Path) -> None:
    old = fake_fit(StudyLocation("smoke", tmp_path), "final", trial=1)
    folder = tmp_path / "smoke" / "final"
    (folder / "weights").write_bytes(b"1")
    new = replace_trial(old, 2)

    def write() -> None:
        # The order in which a fit is written: without its metrics a folder counts for nothing.
        remove(folder / METRICS)
        write_bytes(folder / "weights", b"2")
        save_metrics(new, folder)

    disk = recording(folder, write)
    found = set()
    for content in disk.after_power_loss():
        put(folder, content)
        metrics = load_metrics(folder) if (folder / METRICS).exists() else None
        assert metrics in (None, old, new)
        if metrics is not None:
            assert (folder / "weights").read_bytes() == str(metrics.trial).encode()
        found.add(metrics and metrics.trial)
    assert found == {None, 1, 2}


def replace_trial(metrics: Any, trial: int) -> Any:
    return metrics.model_copy(update={"trial": trial})


@pytest.mark.parametrize("missing", ["file", "folder"])
def test_a_missing_sync_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    if missing == "file":
        monkeypatch.setattr(data.files.atomic, "os", Unsynced())
    else:
        monkeypatch.setattr(data.files.atomic, "_sync_folder", lambda folder: None)
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").write_bytes(b"old")

    def write() -> None:
        write_bytes(tmp_path / "a", b"new")
        write_bytes(tmp_path / "b", b"new")

    states = [
        tuple(content.get(name) for name in "ab")
        for content in recording(tmp_path, write).after_power_loss()
    ]
    assert ((b"old", b"new") if missing == "folder" else (b"n", b"old")) in states


class Unsynced:
    """`os`, as a system whose `fsync` does nothing."""

    def __getattr__(self, name: str) -> Any:
        return (lambda _: None) if name == "fsync" else getattr(os, name)
