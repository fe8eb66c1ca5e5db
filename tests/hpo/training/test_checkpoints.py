import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from data.files.sealed import SealedWriter
from hpo.training.checkpoints import Checkpoints

STATE = {"value": torch.arange(20.0), "history": [{"epoch": 1, "loss": 0.25}]}


def same(state: dict[str, Any] | None) -> bool:
    return (
        state is not None
        and torch.equal(state["value"], STATE["value"])  # type: ignore[arg-type]
        and state["history"] == STATE["history"]
    )


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def names(checkpoints: Checkpoints) -> list[str]:
    return sorted(path.name for path in checkpoints.folder.iterdir())


def test_checkpoints_are_whole_tied_and_swept(checkpoints: Checkpoints) -> None:
    checkpoints.save(3, "key", STATE)
    assert same(checkpoints.load(3, "key"))
    assert checkpoints.load(3, "other key") is None
    assert checkpoints.load(4, "key") is None
    assert same(checkpoints.load(3, "key"))
    checkpoints.save(4, "key", {})
    checkpoints.sweep(keep={4})
    assert names(checkpoints) == ["trial-00004.pt"]


def test_a_damaged_one_is_set_aside_and_said(
    checkpoints: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints.save(3, "key", STATE)
    path = checkpoints.folder / "trial-00003.pt"
    damaged = path.read_bytes()[:-40]
    path.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        assert checkpoints.load(3, "key") is None
    assert names(checkpoints) == ["trial-00003.pt.damaged"]
    assert path.with_name("trial-00003.pt.damaged").read_bytes() == damaged
    for words in (str(path), "is damaged", "trial-00003.pt.damaged", "its training starts anew"):
        assert words in caplog.text
    checkpoints.save(3, "key", STATE)
    assert same(checkpoints.load(3, "key"))
    checkpoints.remove(3)
    assert names(checkpoints) == []


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "of version 0.1.0"])
def test_no_change_of_a_byte_makes_another_state(checkpoints: Checkpoints, sealed: bool) -> None:
    path = checkpoints.folder / "trial-00003.pt"
    checkpoints.save(3, "key", STATE)
    if not sealed:
        torch.save({"key": "key", "state": STATE}, path)
    assert same(checkpoints.load(3, "key"))
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 1 if sealed else 3):
        path.write_bytes(
            whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :]
        )
        state = checkpoints.load(3, "key")
        refused += state is None
        # What an unsealed file has between its entries may change.
        assert state is None or (not sealed and same(state)), place
    assert refused > 100


def test_a_file_of_no_known_kind_is_damaged(checkpoints: Checkpoints) -> None:
    checkpoints.folder.mkdir()
    for content in (b"", b"\x80\x02}q\x00.", bytes(1000)):
        (checkpoints.folder / "trial-00003.pt").write_bytes(content)
        assert checkpoints.load(3, "key") is None
        assert names(checkpoints) == ["trial-00003.pt.damaged"]


def test_one_that_cannot_be_written_is_a_warning_and_the_one_before_stays(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert checkpoints.save(3, "key", STATE)
    write = SealedWriter.write

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for _ in range(2):
        monkeypatch.setattr(SealedWriter, "write", full)
        for _ in range(3):
            assert not checkpoints.save(3, "key", {})
        assert names(checkpoints) == ["trial-00003.pt"]
        assert same(checkpoints.load(3, "key"))
        monkeypatch.setattr(SealedWriter, "write", write)
        assert checkpoints.save(3, "key", STATE)
    # Once for each time that it came about.
    assert len(caplog.messages) == 2
    for words in (str(checkpoints.folder), "No space left on device", "MiB free"):
        assert words in caplog.messages[0]
