from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hpo.reporting.document import Command
from hpo.reporting.overview import overview
from hpo.results.fits import find_fits
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import ranked, records
from hpo.terminal.commands import study_command
from tests.hpo.report_support import fake_fit, fake_study
from tests.hpo.reporting.support import prose

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def test_a_running_study_s_results_are_preliminary(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, "CCPFR", base="smoke")
    trials = records(study)
    blocks = overview(study, trials, [], location, NOW)
    said = prose(blocks)
    assert said.startswith("Study smoke\n")
    assert "As of 2026-03-02 09:30 UTC: 3 finished trials; 1 running or waiting" in said
    assert "preliminary" in said
    assert "Data omniglot (0123456789ab), 35 px, background full, sampler random" in said
    best = ranked(trials)[0]
    assert f"Best trial in the search: {best.number}, {100 * (best.accuracy or 0):.1f} %" in said
    assert isinstance(blocks[-1], Command)
    assert blocks[-1].line == study_command("report", location, anywhere=True)
    assert "Rebuild with:" in said


def test_a_finished_study_gives_the_official_accuracy_of_its_fits(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, "C", base="smoke")
    accuracy = fake_fit(location, "final", trial=0).find("official_runs")
    said = prose(overview(study, records(study), find_fits(location), location, NOW))
    assert accuracy is not None
    assert f"{100 * accuracy.mean:.1f} % (95 % interval " in said
    assert "preliminary" not in said


def test_an_empty_study_has_no_best_trial(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, "", base="smoke")
    said = prose(overview(study, [], [], location, NOW))
    assert "0 finished trials." in said
    assert "Best trial" not in said


def test_what_is_of_uncommitted_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.study.provenance._revision", lambda: "0123456789ab")
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, "C", base="smoke")
    fake_fit(location, "final", trial=0)
    fits = find_fits(location)
    assert "uncommitted" not in prose(overview(study, records(study), fits, location, NOW))
    (fit,) = fits
    known = fit.metrics.versions | {"revision": "0123456789ab+"}
    changed = replace(fit, metrics=fit.metrics.model_copy(update={"versions": known}))
    said = prose(overview(study, records(study), [changed], location, NOW))
    assert f"From uncommitted code, so that nobody can repeat it: {fit.label}." in said
