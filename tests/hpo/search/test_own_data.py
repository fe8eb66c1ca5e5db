"""Studies on a folder of the user's own images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from data.errors import DataError
from hpo.run import dry_run_study, run_study
from hpo.search.own_data import SHEET
from hpo.study.config import StudyConfig
from hpo.study.files import load
from hpo.study.open import open_finished
from hpo.study.storage.location import StudyLocation
from hpo.terminal.progress import reading
from run_study import app
from tests.hpo.support import at, on

pytestmark = pytest.mark.usefixtures("real_loading")


def test_a_run_tells_what_it_read_and_leaves_a_sheet(
    letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (50, 50), 255).save(letters / "alphabet0" / "character00" / "02.png")
    (letters / "alphabet1" / "character00" / "notes.psd").write_bytes(b"x")
    location = StudyLocation("tiny", tmp_path / "out")
    assert run_study(at(on(letters), location))
    told = " ".join(capsys.readouterr().out.split())
    assert "Data letters: 3 alphabets, 16 characters, 63 drawings" in told
    shares = {"alphabet0": 6, "alphabet1": 5, "alphabet2": 5}
    for word in ("train", "validate", "test"):
        name = told.partition(f"{word}: ")[2].partition(",")[0]
        assert f"{word}: {name}, {shares.pop(name)} characters" in told
    assert not shares
    assert "1 of 64 left out, blank: alphabet0/character00/02.png" in told
    assert "1 left out, Photoshop" in told
    sheet = location.folder / SHEET
    with Image.open(sheet) as picture:
        assert len(np.unique(np.asarray(picture))) > 1
    assert [path.name for path in location.folder.glob("*.png")] == [SHEET]
    written = sheet.stat().st_mtime_ns
    assert run_study(at(on(letters), location))
    assert sheet.stat().st_mtime_ns == written
    assert SHEET not in capsys.readouterr().out


def test_a_sheet_that_cannot_be_written_stops_nothing(
    letters: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("data.images.sheet.show_inputs", full)
    assert run_study(at(on(letters), StudyLocation("tiny", tmp_path / "out")))
    assert "could not be drawn: No space left" in capsys.readouterr().out


def test_other_sources_leave_no_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = StudyLocation("smoke", tmp_path / "out")
    config = load("smoke").changed(trials=1)
    assert run_study(at(config, location))
    assert not (location.folder / SHEET).exists()
    assert set(open_finished(location).user_attrs["data"]) == {"name", "digest"}


def test_a_dry_run_opens_the_folder_and_writes_nothing(letters: Path, tmp_path: Path) -> None:
    arguments = ["--study", "smoke", "--dry-run", "--device", "cpu", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--dataset", str(letters)])
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    assert "Data letters: 3 alphabets, 16 characters, 64 drawings" in told
    assert not (tmp_path / "out").exists()
    (letters / "alphabet0" / "character00" / "02.png").write_bytes(b"no picture")
    result = CliRunner().invoke(app, [*arguments, "--dataset", str(letters)])
    assert result.exit_code == 1
    assert "character00/02.png" in "".join(result.output.split())
    result = CliRunner().invoke(app, [*arguments, "--dataset", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "that exists" in " ".join(result.output.split())


def test_too_few_characters_for_the_study_are_told_with_their_number(letters: Path) -> None:
    config = on(letters)
    raw = config.model_dump() | {"validation": {**config.validation.model_dump(), "way": 9}}
    with pytest.raises(DataError, match=r"no alphabet has 9 .*: of alphabet\d's [56], the most"):
        dry_run_study(at(StudyConfig.model_validate(raw), StudyLocation("tiny")))


def test_many_images_have_a_bar_in_a_terminal_alone() -> None:
    for terminal, total, seen in ((True, 5000, True), (True, 50, False), (False, 5000, False)):
        output = Console(force_terminal=terminal, record=True, width=80)
        with output.capture() as told, reading(output) as progress:
            for done in range(1, total + 1, 7):
                progress(done, total)
        assert ("reading images" in told.get()) is seen
