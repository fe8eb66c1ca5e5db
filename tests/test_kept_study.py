"""A study written by version 0.1.0 (commit 3944ffa): opened, resumed, reported, used to predict.

``kept_study.zip`` holds what that version left on disk: two complete trials, one whose process was
killed after its second epoch with its checkpoint, a final fit, and the study file.
"""

import zipfile
from pathlib import Path

import numpy as np
import optuna
import pytest
from PIL import Image
from typer.testing import CliRunner

import hpo
from hpo.final_fit import app as final_fit
from hpo.report import app as report
from hpo.search.workers import heartbeat
from model.predict import app as predict
from run_study import app as run
from tests import ROOT

KILLED = 2
"""The trial that was running."""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the kept study."""
    # Its process ran on another machine, of which only silence tells that it is gone.
    monkeypatch.setattr(heartbeat, "GRACE_SECONDS", 0)
    with zipfile.ZipFile(ROOT / "tests" / "kept_study.zip") as archive:
        archive.extractall(tmp_path / "kept")
    return tmp_path / "kept"


def trials(kept: Path) -> list[optuna.trial.FrozenTrial]:
    storage = f"sqlite:///{kept / 'study.db'}"
    return optuna.load_study(study_name="kept", storage=storage).get_trials()


def test_it_resumes_from_its_checkpoint_and_ends_at_its_total(kept: Path) -> None:
    before = trials(kept)
    assert [trial.state.name for trial in before] == ["COMPLETE", "COMPLETE", "RUNNING"]
    arguments = ["--study", str(kept / "kept.toml"), "--out", str(kept.parent), "--trials", "4"]
    result = CliRunner().invoke(run, [*arguments, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    after = trials(kept)
    assert [trial.state.name for trial in after] == [
        "COMPLETE",
        "COMPLETE",
        "FAIL",
        *["COMPLETE"] * 2,
    ]
    for old, new in zip(before[:KILLED], after, strict=False):
        assert (old.value, old.params, old.user_attrs) == (new.value, new.params, new.user_attrs)
    (resumed,) = (trial for trial in after if trial.user_attrs.get("retry_of") == KILLED)
    assert resumed.user_attrs["resumed_after_epoch"] == 2
    assert resumed.params == before[KILLED].params
    # The epochs that were trained then are not trained again.
    first = {epoch: resumed.intermediate_values[epoch] for epoch in (1, 2)}
    known = before[KILLED].intermediate_values
    assert {epoch: known[epoch] for epoch in (1, 2)} == first
    assert set(resumed.intermediate_values) == {1, 2, 3, 4}
    assert not list((kept / "checkpoints").glob("*.pt"))


def test_it_is_reported(kept: Path) -> None:
    result = CliRunner().invoke(report, ["--study", "kept", "--out", str(kept.parent)])
    assert result.exit_code == 0, result.output
    page = (kept / "report" / "report.md").read_text(encoding="utf-8")
    study = hpo.Study(str(kept / "kept.toml"), out=kept.parent)
    assert f"{study.best.value:.1%}".rstrip("%") in page
    # The net's verification accuracy, from its metrics.json.
    assert "64.6 %" in page


def test_its_final_fit_is_known_again(kept: Path) -> None:
    arguments = ["--study", str(kept / "kept.toml"), "--out", str(kept.parent), "--device", "cpu"]
    before = (kept / "final" / "metrics.json").read_bytes()
    result = CliRunner().invoke(final_fit, [*arguments, "--top", "1", "--seeds", "1"])
    assert result.exit_code == 0, result.output
    assert "Fitted already" in result.output
    assert (kept / "final" / "metrics.json").read_bytes() == before


def test_its_final_net_predicts(kept: Path, tmp_path: Path) -> None:
    support = tmp_path / "letters"
    support.mkdir()
    for name, turns in (("up", 0), ("down", 2), ("left", 1)):
        picture = np.full((40, 40), 255, np.uint8)
        picture[6:34, 8:13], picture[6:11, 8:30] = 0, 0
        Image.fromarray(np.rot90(picture, turns)).save(support / f"{name}.png")
    query = str(support / "down.png")
    final = str(kept / "final")
    result = CliRunner().invoke(
        predict, ["--model", final, "--support", str(support), "--query", query]
    )
    assert result.exit_code == 0, result.output
    assert "down.png:down" in "".join(result.output.split())
