from pathlib import Path

import pytest
from typer.testing import CliRunner

import hpo.fits.ablation
from hpo.ablation import app
from hpo.fits.ablation import AblationPlan
from hpo.study.run import StudyRun


def test_mistakes_are_one_message(tmp_path: Path) -> None:
    for arguments, code, words in (
        (["--study", "smoke", "--out", str(tmp_path)], 1, "there is no study smoke"),
        (["--study", "smoke", "--minutes", "0"], 2, "--minutes"),
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code, result.output
        assert words in " ".join(result.output.split())
        assert "Traceback" not in result.output


def test_the_options_are_the_plan_and_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[StudyRun, AblationPlan]] = []
    monkeypatch.setattr(
        hpo.fits.ablation, "ablation", lambda run, plan, _: asked.append((run, plan))
    )
    options = ["--study", "smoke", "--out", str(tmp_path), "--data-root", str(tmp_path)]
    options += ["--device", "cpu", "--trial", "4", "--minutes", "0.5", "--seeds", "6"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    ((run, plan),) = asked
    assert plan == AblationPlan(trial=4, minutes=0.5, seeds=6)
    assert (run.location.folder, run.data_root, run.device) == (tmp_path / "smoke", tmp_path, "cpu")
