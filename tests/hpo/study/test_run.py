import dataclasses
import pickle
from pathlib import Path

import pytest

from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from tests.hpo.support import tiny_config


def test_a_run_is_the_same_in_another_process_and_cannot_be_changed(tmp_path: Path) -> None:
    run = StudyRun(
        config=tiny_config(),
        location=StudyLocation("tiny", tmp_path),
        data_root=tmp_path,
        device="cuda:1",
    )
    sent = pickle.loads(pickle.dumps(run))
    assert sent == run
    assert sent.config.identity() == run.config.identity()
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.device = "cpu"  # type: ignore[misc]


def test_without_more_it_trains_on_the_cpu_on_the_usual_data(tmp_path: Path) -> None:
    run = StudyRun(config=tiny_config(), location=StudyLocation("tiny", tmp_path))
    assert (run.device, run.data_root) == ("cpu", None)


def test_its_paths_can_be_made_the_same_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = StudyRun(
        config=tiny_config().changed(dataset="letters"),
        location=StudyLocation("tiny", Path("my out"), "sqlite:///a%20b.db"),
        data_root=Path("data"),
    )
    there = run.absolute()
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    assert there.location.out == tmp_path / "my out"
    assert there.location.sqlite_file() == tmp_path / "a b.db"
    assert there.data_root == tmp_path / "data"
    assert there.config.data.dataset == str(tmp_path / "letters")
    assert there.config.identity() == run.config.identity()
    assert there.absolute() == there
    server = StudyLocation("tiny", storage="postgresql+psycopg://me:a%2Fb@host/studies")
    there = StudyRun(config=tiny_config(), location=server).absolute()
    assert (there.location.storage, there.data_root) == (server.storage, None)
    assert there.config == tiny_config()
