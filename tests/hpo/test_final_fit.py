from pathlib import Path

import pytest
from typer.testing import CliRunner

import hpo.final_fit
from hpo.final_fit import app, fit_study
from hpo.fits.final import FitPlan
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from tests.hpo.report_support import fake_fit
from tests.hpo.support import tiny_config


def test_mistakes_are_one_message(tmp_path: Path) -> None:
    runner = CliRunner()
    for arguments, code, words in (
        (["--study", "smoke", "--out", str(tmp_path)], 1, "there is no study smoke"),
        (["--study", "smok"], 2, "did you mean"),
        (["--study", "smoke", "--top", "0"], 2, "--top"),
        (["--study", "smoke", "--seeds", "1", "--ensemble"], 2, "give --seeds 2 or more"),
    ):
        result = runner.invoke(app, arguments)
        assert result.exit_code == code, result.output
        assert words in " ".join(result.output.split())
        assert "Traceback" not in result.output


def test_the_options_are_the_plan_and_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[StudyRun, FitPlan]] = []
    monkeypatch.setattr(hpo.final_fit, "fit_study", lambda run, plan, _: asked.append((run, plan)))
    options = ["--study", "smoke", "--out", str(tmp_path), "--data-root", str(tmp_path)]
    options += ["--device", "cpu", "--trial", "4", "--top", "5", "--retrains", "2"]
    options += ["--retrain-minutes", "0.5", "--seeds", "6", "--seed", "7", "--minutes", "8"]
    result = CliRunner().invoke(app, [*options, "--ensemble", "--background", "small2"])
    assert result.exit_code == 0, result.output
    ((run, plan),) = asked
    assert plan == FitPlan(
        top=5,
        retrains=2,
        retrain_minutes=0.5,
        seeds=6,
        seed=7,
        trial=4,
        minutes=8.0,
        background="small2",
        ensemble=True,
    )
    assert (run.location.folder, run.data_root, run.device) == (tmp_path / "smoke", tmp_path, "cpu")


def test_a_fit_has_a_card_also_if_it_was_complete_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    location = StudyLocation("tiny", tmp_path)
    metrics = fake_fit(location, "final-trial-3", trial=3)
    monkeypatch.setattr(hpo.final_fit, "final_fit", lambda *_: metrics)
    run, plan = StudyRun(config=tiny_config(), location=location), FitPlan(trial=3)
    assert fit_study(run, plan) == metrics
    file = location.folder / "final-trial-3" / "README.md"
    assert file.read_text().startswith("# tiny, trial 3: ")
    # A folder in which nothing can be written is no reason not to show the fit.
    file.unlink()
    file.mkdir()
    assert fit_study(run, plan) == metrics
    assert "The model card cannot be written" in caplog.text
