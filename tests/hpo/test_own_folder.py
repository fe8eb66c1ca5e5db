"""A folder of the user's own is its content: found again, moved, renamed, or refused."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import hpo.ablation
import hpo.final_fit
import hpo.fits.held_out
import hpo.search.own_data
import hpo.training.data
from data.errors import DataError
from hpo.api import Study
from hpo.fits.ablation import AblationPlan, ablation
from hpo.fits.final import FitPlan, final_fit
from hpo.report import write_report
from hpo.results.metrics import load_metrics
from hpo.run import dry_run_study, run_study
from hpo.study.errors import StudyError
from hpo.study.files import load
from hpo.study.open import on_known_data, open_as_run, open_finished, open_study, open_there
from hpo.study.storage.location import StudyLocation
from run_study import app
from tests.data.conftest import write_folder
from tests.hpo.support import at, on, tiny_config

pytestmark = pytest.mark.usefixtures("real_loading")


def test_the_same_content_is_the_same_study_wherever_it_lies(
    letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    location = StudyLocation("tiny", tmp_path / "out")
    for total, way in enumerate(("letters", "./letters", "letters/", str(letters)), 1):
        assert run_study(at(on(way, trials=total), location))
        assert remembered(location)["path"] == str(letters)
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    letters.rename(moved)
    assert run_study(at(on(moved, trials=5), location))
    assert remembered(location)["path"] == str(moved)
    assert len(open_finished(location).trials) == 5


def test_other_content_is_refused(letters: Path, tmp_path: Path) -> None:
    location = StudyLocation("tiny", tmp_path / "out")
    assert run_study(at(on(letters), location))
    other = tmp_path / "other"
    shutil.copytree(letters, other)
    (other / "alphabet0" / "character00" / "01.png").unlink()
    with pytest.raises(StudyError, match=r"was letters \(.*\), now other \("):
        run_study(at(on(other, trials=2), location))
    assert remembered(location)["path"] == str(letters)
    with pytest.raises(StudyError, match=r'data\.dataset: was "folder", now "glyphs"'):
        run_study(at(on("glyphs", trials=2), location))
    with pytest.raises(StudyError, match=r'data\.drawer_names: was "auto", now "rank"'):
        run_study(at(on(letters, drawer_names="rank"), location))


def test_a_study_that_remembers_a_path_in_its_definition_goes_on(
    letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those do that were begun before a folder was known by its content."""
    location = StudyLocation("tiny", tmp_path / "out")
    config = on(letters)
    assert run_study(at(config, location))
    study = open_there(location)
    study.set_user_attr("definition", config.identity() | {"data.dataset": str(letters)})
    study.set_user_attr("data", {key: remembered(location)[key] for key in ("name", "digest")})
    plan = FitPlan(trial=0, seeds=1)
    final_fit(at(tiny_config(trials=1), location), plan)
    kept = location.folder / plan.folder / "config.json"
    before = kept.stat().st_mtime_ns
    _, as_run = open_as_run(at(tiny_config(trials=1), location))
    assert as_run.config.data.dataset == str(letters)
    moved = letters.rename(tmp_path / "moved")
    assert run_study(at(on(moved, trials=2), location))
    assert [trial.state.name for trial in open_finished(location).trials] == ["COMPLETE"] * 2
    # The fit is known again, not made anew.
    final_fit(at(tiny_config(trials=1), location), plan)
    assert kept.stat().st_mtime_ns == before


def test_a_final_fit_finds_a_moved_folder_by_its_option(
    letters: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    location, plan = StudyLocation("tiny", tmp_path / "out"), FitPlan(top=1, seeds=1)
    config = tiny_config(trials=1)
    assert run_study(at(on(letters), location))
    final_fit(at(config, location), plan)
    moved = letters.rename(tmp_path / "moved")
    with pytest.raises(StudyError, match=r"last found, in .*letters.*--dataset"):
        final_fit(at(config, location), plan)
    capsys.readouterr()
    metrics = final_fit(at(config, location), plan, dataset=str(moved))
    told = capsys.readouterr().out
    assert "Fitted already" in told
    assert metrics.data["source"] == "folder"
    assert str(tmp_path) not in json.dumps(metrics.model_dump())
    assert remembered(location)["path"] == str(moved)
    final_fit(at(config, location), plan)
    other = write_folder(tmp_path / "other", (6, 5, 5), 3)
    with pytest.raises(StudyError, match="other data"):
        final_fit(at(config, location), plan, dataset=str(other))
    # Published figures are of Omniglot.
    assert "Verification" in told or "verification" in told
    assert "Koch" not in told
    assert "people" not in told
    report = (write_report(location) / "report.md").read_text()
    assert "Koch" not in report
    assert "reimplementation" not in report
    assert "ours, " in report


def test_a_fit_of_a_start_begins_the_study_on_its_folder(letters: Path, tmp_path: Path) -> None:
    location, plan = StudyLocation("tiny", tmp_path / "out"), FitPlan(trial=0, seeds=1)
    config = tiny_config(trials=1)
    with pytest.raises(DataError):
        final_fit(at(config, location), plan, dataset=str(tmp_path / "lettres"))
    assert not location.folder.exists()
    metrics = final_fit(at(config, location), plan, dataset=str(letters))
    assert metrics.data["source"] == "folder"
    assert remembered(location)["path"] == str(letters)
    assert run_study(at(config, location), given=False)
    with pytest.raises(StudyError, match=r'data\.dataset: was "folder", now "glyphs"'):
        run_study(at(on("glyphs"), location))


def test_a_mistyped_folder_leaves_no_study_that_misses_it(tmp_path: Path) -> None:
    out = ["--study", "smoke", "--out", str(tmp_path / "out"), "--device", "cpu"]
    result = CliRunner().invoke(app, [*out, "--dataset", str(tmp_path / "lettres")])
    assert result.exit_code == 1
    assert "that exists" in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()
    # An older version made the study all the same.
    open_study(
        at(load("smoke").changed(dataset="lettres"), StudyLocation("smoke", tmp_path / "out"))
    )
    result = CliRunner().invoke(hpo.final_fit.app, out)
    assert result.exit_code == 1
    assert "study smoke has no trials yet" in " ".join(result.output.split()), result.output


def test_a_study_of_a_folder_goes_on_without_naming_it(
    letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    location = StudyLocation("tiny", tmp_path / "out")
    assert run_study(at(on(letters), location))
    assert "last found" not in capsys.readouterr().out
    again = at(tiny_config(trials=2), location)
    dry_run_study(again)
    assert "last found in" in capsys.readouterr().out
    assert run_study(again)
    assert f"last found in {letters}" in " ".join(capsys.readouterr().out.split())
    assert [trial.state.name for trial in open_finished(location).trials] == ["COMPLETE"] * 2
    moved = letters.rename(tmp_path / "moved")
    for command in (run_study, dry_run_study):
        with pytest.raises(StudyError, match=r"last found, in .*letters; say with --dataset"):
            command(at(tiny_config(trials=3), location))
    assert run_study(at(on(moved, trials=3), location))
    assert run_study(at(tiny_config(trials=4), location))
    assert remembered(location)["path"] == str(moved)
    (moved / "alphabet0" / "character00" / "01.png").unlink()
    with pytest.raises(StudyError, match=r"other data:\n.*was moved \(.*\), now moved \("):
        run_study(at(tiny_config(trials=5), location))


def test_a_study_that_never_read_a_folder_takes_the_data_that_is_asked_for(tmp_path: Path) -> None:
    location = StudyLocation("tiny", tmp_path / "out")
    open_study(at(on("lettres"), location))
    run = at(tiny_config(), location)
    assert on_known_data(run) == run
    assert on_known_data(at(tiny_config(), StudyLocation("other", storage=location.url)))


def test_a_source_of_the_study_file_is_none_that_is_asked_for(
    letters: Path, tmp_path: Path
) -> None:
    arguments = ["--study", "smoke", "--device", "cpu", "--out", str(tmp_path / "out")]
    named = [*arguments, "--dataset", str(letters), "--trials", "1"]
    assert CliRunner().invoke(app, named).exit_code == 0
    for more in (["--dry-run"], ["--trials", "1"]):
        result = CliRunner().invoke(app, [*arguments, *more])
        assert result.exit_code == 0, result.output
        assert f"last found in {letters}" in " ".join(result.output.split())
    study = Study("smoke", trials=1, out=tmp_path / "out", device="cpu")
    assert study.run()
    result = CliRunner().invoke(app, [*arguments, "--dataset", "glyphs"])
    assert result.exit_code == 1
    assert 'was "folder", now "glyphs"' in " ".join(result.output.split())


def test_a_study_of_another_source_goes_on_without_naming_it(tmp_path: Path) -> None:
    location = StudyLocation("tiny", tmp_path / "out")
    assert run_study(at(on("glyphs"), location))
    assert run_study(at(tiny_config(trials=2), location))
    assert len(open_finished(location).trials) == 2


def test_an_ablation_finds_a_moved_folder_by_its_option(letters: Path, tmp_path: Path) -> None:
    location = StudyLocation("tiny", tmp_path / "out")
    assert run_study(at(on(letters), location))
    moved = letters.rename(tmp_path / "moved")
    plan = AblationPlan(trial=0, minutes=0.0005, seeds=1)
    with pytest.raises(StudyError, match="--dataset"):
        ablation(at(tiny_config(trials=1), location), plan)
    assert ablation(at(tiny_config(trials=1), location), plan, dataset=str(moved))


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
    assert load_metrics(study.location.folder / "final").data["name"] == "moved"


def test_what_tells_the_drawers_is_part_of_the_study_unless_left_to_itself(letters: Path) -> None:
    auto = on(letters, drawer_names="auto").identity()
    assert auto == on(letters).identity()
    assert "data.drawer_names" not in auto
    assert on(letters, drawer_names="names").identity()["data.drawer_names"] == "names"


def remembered(location: StudyLocation) -> dict[str, str]:
    found: dict[str, str] = open_finished(location).user_attrs["data"]
    return found
