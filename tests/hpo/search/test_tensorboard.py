import logging
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hpo.search import tensorboard
from hpo.search.hooks import TrialEpoch
from hpo.search.tensorboard import TensorBoard
from hpo.search.workers.worker import Job, work
from hpo.study.errors import StudyError
from hpo.study.open import open_finished
from tests.hpo.support import epoch_result, outcomes, tiny_job


class Writer:
    """Stands in for the package's SummaryWriter: keeps what is written, by run."""

    made: dict[str, list["Writer"]] = {}  # noqa: RUF012
    broken = False

    def __init__(self, folder: str, purge_step: int):
        if self.broken:
            raise OSError(28, "No space left on device")
        self.scalars: list[tuple[str, float, int]] = []
        self.hparams: tuple[dict[str, Any], dict[str, Any]] | None = None
        self.flushed, self.closed, self.purged = 0, False, purge_step
        self.made.setdefault(folder, []).append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def add_hparams(self, values: dict[str, Any], result: dict[str, Any], run_name: str) -> None:
        assert run_name == "."
        self.hparams = values, result

    def flush(self) -> None:
        self.flushed += 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Writer]]:
    package = ModuleType("torch.utils.tensorboard")
    package.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", package)
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: name)
    monkeypatch.setattr(Writer, "made", {})
    return Writer.made


def test_each_trial_has_its_epochs_and_its_result(
    job: Job, writers: dict[str, list[Writer]]
) -> None:
    folder = job.run.location.out / "runs"
    work(replace(job, total=2, on_epoch=TensorBoard(folder)))
    first, second = open_finished(job.run.location).trials
    assert set(writers) == {str(folder / "tiny" / f"trial-000{n}") for n in (0, 1)}
    (writer,) = writers[str(folder / "tiny" / "trial-0001")]
    shot = [(value, step) for name, value, step in writer.scalars if name == "accuracy/one-shot"]
    assert shot == [(value, step) for step, value in second.intermediate_values.items()]
    names = {name for name, _, _ in writer.scalars}
    assert names >= {"loss", "accuracy/verification", "learning rate/conv1", "learning rate/fc"}
    assert writer.hparams == ({**second.params, "state": "complete"}, {"value": second.value})
    assert (writer.flushed, writer.closed) == (2, True)
    assert first.params != second.params


def epoch(number: int, trial: int = 0, state: str = "running") -> TrialEpoch:
    history = [epoch_result(n, 0.5) for n in range(1, number + 1)]
    return TrialEpoch(
        study="a", trial=trial, params={}, history=history, learning_rates={}, state=state
    )


def test_a_resumed_trial_is_written_from_its_first_epoch(
    tmp_path: Path, writers: dict[str, list[Writer]]
) -> None:
    hook = TensorBoard(tmp_path)
    for one in (epoch(3), epoch(4), epoch(1, trial=1)):
        hook(one)
    (resumed,), (next_one,) = writers.values()
    assert [step for name, _, step in resumed.scalars if name == "loss"] == [1, 2, 3, 4]
    # What a dead process has written of these epochs gives way.
    assert resumed.purged == 1
    assert resumed.closed
    assert resumed.hparams is None
    assert not next_one.closed


def test_it_can_be_sent_to_workers(
    tmp_path: Path, writers: dict[str, list[Writer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(TensorBoard("runs"))
    monkeypatch.chdir("/")  # as on another machine
    for _ in range(2):
        pickle.loads(sent)(epoch(1))
    # One run, with a writer of each.
    assert list(map(len, writers.values())) == [2]
    assert list(writers) == [str(tmp_path / "runs" / "a" / "trial-0000")]


def test_a_full_disk_costs_no_trial(
    tmp_path: Path,
    writers: dict[str, list[Writer]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Writer, "broken", True)
    whole, full = tiny_job(tmp_path / "whole", 2), tiny_job(tmp_path / "full", 2)
    work(whole)
    with caplog.at_level(logging.WARNING):
        work(replace(full, on_epoch=TensorBoard(tmp_path / "runs")))
    assert [record.msg for record in caplog.records if "on_epoch" in record.msg] != []
    assert sum("on_epoch" in record.msg for record in caplog.records) == 1
    assert outcomes(full) == outcomes(whole)


def test_what_is_missing_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: name)
    with pytest.raises(StudyError, match="cannot be made: Not a directory; give another"):
        TensorBoard(tmp_path / "file" / "runs")
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"pip install -e \"\.\[tensorboard\]\""):
        TensorBoard(tmp_path / "runs")


def test_tensorboard_itself_reads_what_is_written(job: Job) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = job.run.location.out / "runs"
    work(replace(job, total=1, on_epoch=TensorBoard(folder)))
    (trial,) = open_finished(job.run.location).trials
    # Another process goes on with the run.
    TensorBoard(folder)(replace(epoch(3, state="complete"), study="tiny", params=trial.params))
    read = EventAccumulator(str(folder / "tiny" / "trial-0000"))
    read.Reload()
    shot = read.Scalars("accuracy/one-shot")
    assert [(one.step, one.value) for one in shot] == [(1, 0.5), (2, 0.5), (3, 0.5)]
    assert read.Scalars("value")
    assert "_hparams_/session_start_info" in read.summary_metadata
