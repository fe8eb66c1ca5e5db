"""Studies on a folder of the user's own images."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import data.sources
import hpo.ablation
import hpo.final_fit
import hpo.fit_inputs
import hpo.inputs
import hpo.own_data
from data.errors import DataError
from data.request import DRAWER_NAMES
from hpo.ablation import ablation
from hpo.definition import StudyDefinition, load
from hpo.errors import StudyError
from hpo.final_fit import Plan, final_fit
from hpo.library import Study
from hpo.metrics import load_metrics
from hpo.own_data import SHEET, reading
from hpo.place import Place
from hpo.report import write_report
from hpo.run import dry_run_study, run_study
from hpo.study import open_as_run, open_finished
from run_study import app
from tests.data.conftest import write_folder
from tests.hpo.support import tiny_definition


@pytest.fixture(autouse=True)
def real_loading(tiny_data: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the folder that is given, with a cache of this test's own."""
    monkeypatch.setattr(hpo.inputs, "load", data.sources.load)
    monkeypatch.setenv("SIAMESE_HPO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "letters", (6, 5, 5), 4)


def on(folder: Path | str, **more: object) -> StudyDefinition:
    return tiny_definition(trials=1).changed(dataset=str(folder), **more)


def remembered(place: Place) -> dict[str, str]:
    found: dict[str, str] = open_finished(place).user_attrs["data"]
    return found


def test_a_run_tells_what_it_read_and_leaves_a_sheet(
    letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (50, 50), 255).save(letters / "alphabet0" / "character00" / "02.png")
    (letters / "alphabet1" / "character00" / "notes.psd").write_bytes(b"x")
    place = Place("tiny", tmp_path / "out")
    assert run_study(on(letters), place)
    told = " ".join(capsys.readouterr().out.split())
    assert "Data letters: 3 alphabets, 16 characters, 63 drawings" in told
    shares = {"alphabet0": 6, "alphabet1": 5, "alphabet2": 5}
    for word in ("train", "validate", "test"):
        name = told.partition(f"{word}: ")[2].partition(",")[0]
        assert f"{word}: {name}, {shares.pop(name)} characters" in told
    assert not shares
    assert "1 of 64 left out, blank: alphabet0/character00/02.png" in told
    assert "1 left out, Photoshop" in told
    sheet = place.folder / SHEET
    with Image.open(sheet) as picture:
        assert len(np.unique(np.asarray(picture))) > 1
    assert [path.name for path in place.folder.glob("*.png")] == [SHEET]
    written = sheet.stat().st_mtime_ns
    assert run_study(on(letters), place)
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

    monkeypatch.setattr("model.showing.show_inputs", full)
    assert run_study(on(letters), Place("tiny", tmp_path / "out"))
    assert "could not be drawn: No space left" in capsys.readouterr().out


def test_other_sources_leave_no_sheet(tmp_path: Path) -> None:
    place = Place("smoke", tmp_path / "out")
    definition = load("smoke").changed(trials=1)
    assert run_study(definition, place)
    assert not (place.folder / SHEET).exists()
    assert set(remembered(place)) == {"name", "digest"}


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
    definition = on(letters)
    raw = definition.model_dump() | {"validation": {**definition.validation.model_dump(), "way": 9}}
    with pytest.raises(DataError, match=r"no alphabet has 9 .*: of alphabet\d's [56], the most"):
        dry_run_study(StudyDefinition.model_validate(raw), Place("tiny"), "cpu")


def test_many_images_have_a_bar_in_a_terminal_alone() -> None:
    for terminal, total, seen in ((True, 5000, True), (True, 50, False), (False, 5000, False)):
        output = Console(force_terminal=terminal, record=True, width=80)
        with output.capture() as told, reading(output) as progress:
            for done in range(1, total + 1, 7):
                progress(done, total)
        assert ("reading images" in told.get()) is seen


def test_the_same_content_is_the_same_study_wherever_it_lies(
    letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = Place("tiny", tmp_path / "out")
    for total, way in enumerate(("letters", "./letters", "letters/", str(letters)), 1):
        assert run_study(on(way, trials=total), place)
        assert remembered(place)["path"] == str(letters)
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    letters.rename(moved)
    assert run_study(on(moved, trials=5), place)
    assert remembered(place)["path"] == str(moved)
    assert len(open_finished(place).trials) == 5


def test_other_content_is_refused(letters: Path, tmp_path: Path) -> None:
    place = Place("tiny", tmp_path / "out")
    assert run_study(on(letters), place)
    other = tmp_path / "other"
    shutil.copytree(letters, other)
    (other / "alphabet0" / "character00" / "01.png").unlink()
    with pytest.raises(StudyError, match=r"was letters \(.*\), now other \("):
        run_study(on(other, trials=2), place)
    assert remembered(place)["path"] == str(letters)
    with pytest.raises(StudyError, match=r'data\.dataset: was "folder", now "glyphs"'):
        run_study(on("glyphs", trials=2), place)
    with pytest.raises(StudyError, match=r'data\.drawer_names: was not there, now "rank"'):
        run_study(on(letters, drawer_names="rank"), place)


def test_a_study_that_remembers_a_path_in_its_definition_goes_on(
    letters: Path, tmp_path: Path
) -> None:
    """As those do that were begun before a folder was known by its content."""
    place = Place("tiny", tmp_path / "out")
    definition = on(letters)
    assert run_study(definition, place)
    study = open_finished(place)
    study.set_user_attr("definition", definition.identity() | {"data.dataset": str(letters)})
    study.set_user_attr("data", {key: remembered(place)[key] for key in ("name", "digest")})
    once, plan = tiny_definition(trials=1), Plan(top=1, seeds=1)
    assert open_as_run(once, place)[1].data.dataset == str(letters)
    final_fit(once, place, plan)
    config = place.folder / "final" / "config.json"
    before = config.stat().st_mtime_ns
    moved = letters.rename(tmp_path / "moved")
    final_fit(once, place, plan, dataset=str(moved))
    assert config.stat().st_mtime_ns == before  # the fit was known again, not made anew
    assert run_study(on(moved, trials=2), place)
    assert [trial.state.name for trial in open_finished(place).trials] == ["COMPLETE"] * 2


def test_a_final_fit_finds_a_moved_folder_by_its_option(
    letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, plan = Place("tiny", tmp_path / "out"), Plan(top=1, seeds=1)
    definition = tiny_definition(trials=1)
    assert run_study(on(letters), place)
    final_fit(definition, place, plan)
    moved = letters.rename(tmp_path / "moved")
    with pytest.raises(StudyError, match=r"last found, in .*letters.*--dataset"):
        final_fit(definition, place, plan)
    capsys.readouterr()
    metrics = final_fit(definition, place, plan, dataset=str(moved))
    told = capsys.readouterr().out
    assert "Fitted already" in told
    assert metrics.data["source"] == "folder"
    assert str(tmp_path) not in json.dumps(metrics.model_dump())
    assert remembered(place)["path"] == str(moved)
    final_fit(definition, place, plan)
    other = write_folder(tmp_path / "other", (6, 5, 5), 3)
    with pytest.raises(StudyError, match="other data"):
        final_fit(definition, place, plan, dataset=str(other))
    # Published figures are of Omniglot.
    assert "Verification" in told or "verification" in told
    assert "Koch" not in told
    assert "people" not in told
    report = (write_report(place) / "report.md").read_text()
    assert "Koch" not in report
    assert "README implementation" not in report
    assert "ours, " in report


def test_a_folder_of_any_bytes_is_found_again(letters: Path, tmp_path: Path) -> None:
    named = os.fsencode(tmp_path) + b"/\xe9\xff"
    try:
        os.rename(letters, named)
    except OSError:
        pytest.skip("this file system takes text alone")
    place = Place("tiny", tmp_path / "out")
    assert run_study(on(os.fsdecode(named)), place)
    assert remembered(place)["path"].endswith("/%E9%FF")
    _, definition = open_as_run(tiny_definition(trials=1), place)
    assert run_study(definition.changed(trials=2), place)
    assert remembered(place)["name"] == r"\xe9\xff"


def test_an_ablation_finds_a_moved_folder_by_its_option(letters: Path, tmp_path: Path) -> None:
    place = Place("tiny", tmp_path / "out")
    assert run_study(on(letters), place)
    moved = letters.rename(tmp_path / "moved")
    plan = hpo.ablation.Plan(trial=0, minutes=0.0005, seeds=1)
    with pytest.raises(StudyError, match="--dataset"):
        ablation(tiny_definition(trials=1), place, plan)
    assert ablation(tiny_definition(trials=1), place, plan, dataset=str(moved))


def test_every_command_that_reads_data_takes_its_place() -> None:
    for command in (app, hpo.final_fit.app, hpo.ablation.app):
        result = CliRunner().invoke(command, ["--help"])
        assert "--dataset" in result.output


def test_the_object_of_a_notebook_takes_a_moved_folder(letters: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert Study("smoke", trials=1, dataset=str(letters), out=out, device="cpu").run()
    moved = letters.rename(tmp_path / "moved")
    study = Study("smoke", trials=1, dataset=str(moved), out=out, device="cpu")
    study.fit(top=1, seeds=1, minutes=0.001)
    assert load_metrics(study.place.folder / "final").data["name"] == "moved"


def test_drawer_names_are_known_alike_everywhere(letters: Path) -> None:
    assert hpo.definition.DRAWER_NAMES == DRAWER_NAMES
    auto = on(letters, drawer_names="auto").identity()
    assert auto == on(letters).identity()
    assert "data.drawer_names" not in auto
    assert on(letters, drawer_names="names").identity()["data.drawer_names"] == "names"
