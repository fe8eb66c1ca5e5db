import subprocess
import sys
from pathlib import Path

import pytest

import hpo
from hpo.fits.final import FitPlan
from hpo.search.hooks import TrialEpoch
from hpo.study.errors import ConfigError, StudyError
from hpo.study.storage.location import StudyLocation
from tests import ROOT
from tests.hpo.report_support import fake_study
from tests.hpo.support import tiny_config


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> hpo.Study:
    monkeypatch.setattr("hpo.api.find_config", lambda *_: tiny_config())
    return hpo.Study("tiny", trials=2, out=tmp_path, device="cpu")


def test_a_study_is_run_looked_at_and_drawn(
    study: hpo.Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    epochs: list[TrialEpoch] = []
    assert study.run(on_epoch=epochs.append)
    assert {(one.study, one.trial) for one in epochs} == {("tiny", 0), ("tiny", 1)}
    assert "trial 1:" in capsys.readouterr().out
    assert len(study.optuna.trials) == 2
    assert study.best.value == study.optuna.best_value
    first, second = study.trials
    assert (first["number"], first["state"], second["state"]) == (0, "COMPLETE", "COMPLETE")
    assert first.items() >= study.optuna.trials[0].params.items()
    picture = study.plot()
    assert picture._repr_png_().startswith(b"\x89PNG")
    picture.save(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_what_is_not_there_yet_is_said(study: hpo.Study) -> None:
    with pytest.raises(StudyError, match="run it first"):
        study.plot()
    with pytest.raises(StudyError, match="run it first"):
        _ = study.best
    with pytest.raises(StudyError, match="run it first"):
        _ = study.trials


def test_paused_trials_alone_have_a_best_one_everywhere(tmp_path: Path) -> None:
    location = StudyLocation("compact", tmp_path)
    fake_study(location, "QQQP")
    study = hpo.Study("compact", out=tmp_path, device="cpu")
    best = study.best
    row = study.trials[best.number]
    highest = max(best.intermediate_values.values())
    assert (best.number, row["value"], row["epochs"]) == (1, highest, 2)
    drawn = study.plot().figure.axes[0]
    assert drawn.lines[0].get_ydata()[-1] == pytest.approx(highest)  # type: ignore[index]
    report = (study.report() / "report.md").read_text()
    assert f"Best trial in the search: {best.number}, paused after epoch 2" in report
    assert "Best accuracy so far" in report


def test_a_study_starts_from_another_or_from_a_file(
    study: hpo.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("hpo.run.run_study", lambda _, **options: asked.append(options["source"]))
    for source in (None, study, "best.toml", tmp_path / "best.toml"):
        study.run(source=source)
    assert asked == [None, study.location, Path("best.toml"), tmp_path / "best.toml"]


def test_a_fit_is_the_command_s(study: hpo.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("hpo.final_fit.fit_study", lambda *arguments: asked.append(arguments))
    study.fit(seeds=2, ensemble=True)
    assert asked == [(study._run, FitPlan(seeds=2, ensemble=True), None)]


@pytest.mark.parametrize(
    "plan",
    [
        *({name: 0} for name in ("top", "retrains", "seeds", "minutes", "retrain_minutes")),
        *({name: -1} for name in ("seed", "trial")),
        {"minutes": float("nan")},
    ],
    ids=str,
)
def test_a_plan_that_cannot_be_is_refused(study: hpo.Study, plan: dict[str, float]) -> None:
    (name,) = plan
    with pytest.raises(ConfigError, match=rf"^{name} = .*: it must be from"):
        study.fit(**plan)


def test_no_workers_are_refused(study: hpo.Study) -> None:
    with pytest.raises(ConfigError, match="workers = 0: it must be from 1 to 1,000"):
        study.run(workers=0)
    assert not study.location.folder.exists()


@pytest.mark.parametrize("name", ["out", "data_root"])
def test_an_empty_path_is_not_the_current_folder(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} is empty"):
        hpo.Study("smoke", **{name: ""})  # type: ignore[arg-type]


def test_an_empty_source_is_not_the_current_folder(study: hpo.Study) -> None:
    with pytest.raises(ConfigError, match=r"^source is empty"):
        study.run(source="")


def test_a_wrong_name_is_said() -> None:
    with pytest.raises(ConfigError, match="trails cannot be changed"):
        hpo.Study("smoke", trails=3)
    with pytest.raises(AttributeError, match="no attribute"):
        _ = hpo.study_of_nothing  # type: ignore[attr-defined]


def test_the_name_alone_imports_little() -> None:
    script = "import sys, hpo, hpo.terminal.options; assert 'torch' not in sys.modules; hpo.Study"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
