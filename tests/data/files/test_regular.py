import os
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import DataError
from data.files.archives import read_zip
from data.files.regular import read_regular
from hpo.results.answers import ANSWERS, load_answers
from hpo.results.metrics import METRICS, load_metrics
from hpo.study.errors import StudyError
from hpo.study.files import load
from hpo.study.storage import sqlite
from hpo.study.storage.location import StudyLocation
from hpo.training.checkpoints import Checkpoints
from model.errors import ModelError
from model.net.saved import CONFIG, WEIGHTS, SavedNet, load_net, save_net
from model.net.siamese import SiameseNet
from tests.model.net.conftest import PLAIN


def test_regular_files_alone_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_regular(tmp_path / "link") == b"x"
    with pytest.raises(OSError, match="a folder, not a file"):
        read_regular(tmp_path)
    with pytest.raises(OSError, match="pipe or device"):
        read_regular(Path("/dev/zero"))


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A sparse file of 20 GB takes no room on the disk, but would in memory."""
    with (tmp_path / "metrics.json").open("wb") as file:
        file.truncate(20 * 10**9)
    with pytest.raises(OSError, match="it has 20,000,000,000 bytes, of at most 67,108,864"):
        read_regular(tmp_path / "metrics.json")
    with pytest.raises(StudyError, match="20,000,000,000 bytes"):
        load_metrics(tmp_path)
    save_net(tmp_path, SavedNet(net=SiameseNet(PLAIN)))
    with (tmp_path / WEIGHTS).open("r+b") as file:
        file.truncate(20 * 10**9)
    with pytest.raises(ModelError, match="20,000,000,000 bytes"):
        load_net(tmp_path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("name", "read"),
    [
        (CONFIG, lambda path: load_net(path.parent)),
        (WEIGHTS, lambda path: load_net(path.parent)),
        (ANSWERS, lambda path: load_answers(path.parent)),
        (METRICS, lambda path: load_metrics(path.parent)),
        ("mine.toml", lambda path: load(str(path))),
        ("images.zip", lambda path: list(read_zip(path))),
    ],
)
def test_no_reader_waits_for_a_pipe(
    tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    save_net(tmp_path, SavedNet(net=SiameseNet(PLAIN)))
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises((ModelError, StudyError, DataError), match="pipe or device, not a file"):
        read(tmp_path / name)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["study.db", "study.db-wal", "study.db-journal"])
def test_no_database_is_a_device(tmp_path: Path, name: str) -> None:
    location = StudyLocation("mine", tmp_path)
    location.make_folder()
    with location.exclusive():
        location.database().engine.dispose()
    sqlite._opened.clear()  # as by another process
    (location.folder / name).unlink(missing_ok=True)
    (location.folder / name).symlink_to("/dev/zero")
    for look in (location.database, location.read_only):
        with pytest.raises(StudyError, match="pipe or device, not a file"):
            look()


@pytest.mark.timeout(20)
def test_a_checkpoint_that_is_a_pipe_is_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(tmp_path / "trial-00000.pt")
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.load(0, "key") is None
    assert "pipe or device, not a file" in caplog.text
    assert checkpoints.save(0, "key", {"epoch": 1})
    assert checkpoints.load(0, "key") == {"epoch": 1}
