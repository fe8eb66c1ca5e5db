from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hpo.reporting.overview import next_steps, overview, provenance
from hpo.results.fits import find_fits
from hpo.study.record import StudyRecord
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import ranked, records
from hpo.terminal.commands import study_command
from tests.hpo.report_support import fake_fit, fake_study
from tests.hpo.reporting.support import prose, typed

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
    best = ranked(trials)[0]
    assert f"{100 * (best.accuracy or 0):.1f} % [" in said
    assert "one-shot validation accuracy, not tested yet" in said
    assert (
        f"Best trial in the search: {best.number}, on validation alphabets. 95 % interval" in said
    )
    assert f"`{study_command('fit', location, anywhere=True)}`" in said
    assert "Data omniglot (0123456789ab), 35 px, background full, sampler random" in prose(
        provenance(study)
    )


def test_a_study_without_a_complete_trial_says_what_to_run(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, "P", base="smoke")
    said = prose(overview(study, records(study), [], location, NOW))
    run = study_command("run", location, anywhere=True)
    assert f"No trial is complete yet\nRun the study with `{run}`." in said


@pytest.mark.parametrize(
    ("states", "of"), [("C", ""), ("CC", "; the best of 2, and so biased upwards")]
)
def test_only_a_best_of_several_is_biased(tmp_path: Path, states: str, of: str) -> None:
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, states, base="smoke")
    assert f" trials, 1 seed{of}. " in prose(overview(study, records(study), [], location, NOW))


def test_a_finished_study_gives_the_official_accuracy_of_its_fits(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, "C", base="smoke")
    accuracy = fake_fit(location, "final", trial=0).find("official_runs")
    said = prose(overview(study, records(study), find_fits(location), location, NOW))
    assert accuracy is not None
    low, high = 100 * accuracy.low, 100 * accuracy.high
    assert f"{100 * accuracy.mean:.1f} % of the official 20-way one-shot trials right" in said
    assert f"[{low:.1f} to {high:.1f} %]" in said
    assert "by Koch's split. 95 % interval over alphabets in general, " in said
    assert "people 95.5 % and Koch's net 92.0 %" in said
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


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        (0.99, "Above people 95.5 %, Koch's net 92.0 %, pixel 1-NN"),
        (0.94, "; level with people 95.5 % and Koch's net 92.0 %."),
        (0.9, "Above pixel 1-NN"),
        (0.1, "Below people 95.5 %, Koch's net 92.0 %, pixel 1-NN"),
    ],
)
def test_the_verdict_sorts_the_others_by_the_interval(
    tmp_path: Path, mean: float, words: str
) -> None:
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, "C", base="smoke")
    fake_fit(location, "final", trial=0)
    (fit,) = find_fits(location)
    half = 0.025 if mean == 0.94 else 0.005
    figures = [
        one.model_copy(update={"mean": mean, "low": mean - half, "high": mean + half})
        if (one.protocol, one.system) == ("official_runs", "net")
        else one
        for one in fit.metrics.figures
    ]
    changed = replace(fit, metrics=fit.metrics.model_copy(update={"figures": figures}))
    said = prose(overview(study, records(study), [changed], location, NOW))
    assert words in said
    if mean == 0.9:
        assert "; below people 95.5 % and Koch's net 92.0 %." in said


def test_the_verdict_names_the_ensemble_after_its_nets(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, "C", base="smoke")
    metrics = fake_fit(location, "final", trial=0, ensemble=True)
    fits = find_fits(location)
    said = prose(overview(study, records(study), fits, location, NOW))
    nets, joined = (metrics.find("official_runs", system) for system in ("net", "ensemble"))
    assert nets is not None
    assert joined is not None
    assert f"{100 * nets.mean:.1f} % of the official 20-way one-shot trials right" in said
    label = fits[0].label.removeprefix("ours")
    assert f"Ours{label}, ensemble of 3: {100 * joined.mean:.1f} % (95 % interval" in said


def test_other_data_is_judged_by_its_own_trials(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, "C", base="smoke")
    metrics = fake_fit(location, "final", trial=0, data="glyphs")
    (fit,) = find_fits(location)
    figures = [one for one in metrics.figures if one.protocol != "official_runs"]
    changed = replace(fit, metrics=metrics.model_copy(update={"figures": figures}))
    said = prose(overview(study, records(study), [changed], location, NOW))
    accuracy = metrics.find("n_way", way=20)
    assert accuracy is not None
    assert f"{100 * accuracy.mean:.1f} % of the random 20-way one-shot trials right" in said
    assert "people" not in said
    assert "Koch" not in said
    assert "Above pixel 1-NN" in said


@pytest.mark.parametrize(
    ("folders", "lines"),
    [
        ((), ["", " --trial 0"]),
        ((("final", 3, "omniglot"),), [" --trial 0"]),
        ((("final", 0, "omniglot"),), []),
        ((("final-trial-0", 0, "omniglot"),), [""]),
        # A fit on a small background set counts for neither.
        ((("final-small1", 0, "omniglot-small1"),), ["", " --trial 0"]),
    ],
)
def test_each_missing_fit_has_its_command(
    tmp_path: Path, folders: tuple[tuple[str, int, str], ...], lines: list[str]
) -> None:
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, "CCC", base="smoke")
    for folder, trial, data in folders:
        fake_fit(location, folder, trial=trial, data=data)
    trials, record = records(study), StudyRecord.of(study)
    other = StudyLocation("other", tmp_path)
    blocks = next_steps(record, trials, find_fits(location), trials[0], location, [other])
    fit = study_command("fit", location, anywhere=True)
    commands = typed(blocks)
    assert [one for one in commands if one.startswith(fit)] == [f"{fit}{line}" for line in lines]
    assert commands[-1].endswith(" --compare other")
    run = study_command("run", location, anywhere=True)
    assert run not in commands
    blocks = next_steps(record, trials[:2], [], None, location)
    assert typed(blocks)[0] == run
