import io
import time

import optuna
import pytest
from rich.console import Console

from hpo.terminal.progress import StudyProgress, duration


def shown(deadline: float | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what a log file sees of a study of which one trial of 100 ends meanwhile."""
    monkeypatch.setattr("hpo.terminal.progress.LINE_SECONDS", 0.0)
    monkeypatch.setattr("hpo.terminal.progress.POLL_SECONDS", 0.02)
    study = optuna.create_study(direction="maximize")
    output = io.StringIO()
    with StudyProgress(study, 100, 3, Console(file=output, width=80), deadline):
        time.sleep(0.2)
        study.tell(study.ask(), 0.5)
        time.sleep(0.2)
    return output.getvalue()


def test_a_study_says_how_long_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown(None, monkeypatch)
    assert "trial 0: 50.0%" in said
    assert "1/100 trials  best 50.0% (trial 0)  about" in said
    assert "stops" not in said


def test_or_when_it_will_stop_if_that_is_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown(time.time() + 1, monkeypatch)
    assert "0/100 trials  no new trial after 1 s" in said
    assert "best 50.0% (trial 0)  stops in" in said
    assert "about" in shown(time.time() + 1e6, monkeypatch)


def test_durations() -> None:
    assert [duration(s) for s in (5, 300, 7500, 1e6)] == ["5 s", "5 min", "2:05 h", "12 days"]
