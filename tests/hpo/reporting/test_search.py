from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpo.reporting.document import Block
from hpo.reporting.search import progress, search
from hpo.results.costs import costed_trials
from hpo.study.record import StudyRecord
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import enqueue_retry
from tests.hpo.report_support import fake_study
from tests.hpo.reporting.support import KeptPictures, cells, prose


def section(tmp_path: Path, states: str, retry: bool = False) -> tuple[list[Block], KeptPictures]:
    study = fake_study(StudyLocation("smoke", tmp_path), states, base="smoke")
    if retry:
        enqueue_retry(study, study.trials[states.index("D")])
    pictures = KeptPictures()
    config = StudyRecord.of(study).config or {}
    trials = costed_trials(study)
    blocks = progress(study, trials, config, pictures) + search(study, trials, config, pictures)
    return blocks, pictures


def test_a_search_is_told_from_its_best_trials_to_its_costs(tmp_path: Path) -> None:
    blocks, pictures = section(tmp_path, "CPCFCPCCFDCCCCCCR")
    said = prose(blocks)
    for heading in (
        "How it was found",
        "Trial outcomes",
        "Parameter importance",
        "Accuracy against cost",
    ):
        assert heading in said
    assert "17 trials: 11 complete, 2 pruned, 3 failed or interrupted, 1 running." in said
    assert "top 5 of 11 complete trials" in said
    assert set(pictures.figures) >= {"best-so-far", "trials", "cost", "slices-rates", "parallel"}
    best = [row for row in cells(blocks) if row[0].startswith("trial ")]
    accuracies = [float(row[1].split()[0]) for row in best]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len(best) == 5


def test_failures_and_prunings_are_counted_by_reason(tmp_path: Path) -> None:
    blocks, _ = section(tmp_path, "CPFFDC")
    reason = "ValueError: the loss is not finite"
    assert cells(blocks, reason) == [(reason, "1", "2")]
    assert any("can't allocate memory" in row[0] for row in cells(blocks))
    assert cells(blocks, "interrupted; not yet resumed", "1", "4")
    assert [row[2] for row in cells(blocks) if row[2] == "1"]


def test_paused_trials_are_told_from_pruned_ones(tmp_path: Path) -> None:
    blocks, pictures = section(tmp_path, "CQQPC")
    said = prose(blocks)
    assert "5 trials: 2 complete, 2 paused, 1 pruned." in said
    assert cells(blocks, "1", "paused") == [("1", "paused", "1", "2")]
    assert cells(blocks, "2", "paused") == [("2", "paused", "1", "1")]
    assert [row[1:] for row in cells(blocks) if row[-1] == "3"] == [("pruned", "1", "3")]
    for name in ("best-so-far", "cost"):
        assert {"paused trial", "pruned trial"} <= set(pictures.legend(name))
    assert {"paused (2)", "pruned (1)"} <= set(pictures.legend("trials"))


def test_collapsed_trials_are_named(tmp_path: Path) -> None:
    blocks, _ = section(tmp_path, "CCC")
    assert "fell back to chance" not in prose(blocks)
    trials = costed_trials(fake_study(StudyLocation("two", tmp_path), "CCC", base="smoke"))
    trials[1] = replace(trials[1], collapsed=True)
    said = prose(search(optuna.create_study(), trials, {}, KeptPictures()))
    assert "until they fell back to chance, and counted with their best epoch before: trial 1." in (
        said
    )
    trials[1] = replace(trials[1], state=TrialState.PRUNED)
    said = prose(search(optuna.create_study(), trials, {}, KeptPictures()))
    assert "until they fell back to chance: trial 1." in said


def test_a_retried_trial_says_so(tmp_path: Path) -> None:
    blocks, _ = section(tmp_path, "CDC", retry=True)
    assert cells(blocks, "interrupted; resumed", "1", "1")


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ("", "The study has no trials yet."),
        ("C", "Importances need 10 complete trials; there are 1 so far."),
        ("FF", "No trial is complete yet"),
        ("R", "No trial is complete yet"),
    ],
)
def test_a_search_of_any_state_has_its_section(tmp_path: Path, states: str, says: str) -> None:
    assert says in prose(section(tmp_path, states)[0])


def test_common_bounds_of_the_best_are_listed(tmp_path: Path) -> None:
    study = fake_study(StudyLocation("smoke", tmp_path), "C" * 6, base="smoke")
    first = study.trials[1]
    drawn = first.distributions["fc.units"]
    for _ in range(5):
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                value=1.0,
                params=first.params | {"fc.units": drawn.high},  # type: ignore[attr-defined]
                distributions=first.distributions,
            )
        )
    blocks = search(study, costed_trials(study), {}, KeptPictures())
    assert cells(blocks, "fc.units")[0][2] == "upper"
    assert "number of validation trials is unknown" in prose(blocks)


def test_importances_of_few_trials_are_warned_of(tmp_path: Path) -> None:
    said = prose(section(tmp_path, "C" * 12)[0])
    assert "12 complete ones for 27 parameters" in said
    assert "Rule of thumb: 10 per parameter, 270 here" in said


def test_importances_of_enough_trials_are_not_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.reporting.search._PER_PARAMETER", 0)
    assert "Too few trials" not in prose(section(tmp_path, "C" * 12)[0])
