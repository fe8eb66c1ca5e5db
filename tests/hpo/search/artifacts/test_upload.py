import logging
from dataclasses import replace

import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import TrialState
from optuna_dashboard import get_note, save_note

import hpo.search.artifacts.thumbnails
from hpo.search.artifacts.upload import ANSWERS, CURVE, keep_artifacts
from hpo.search.workers.worker import Job, work
from hpo.study.open import open_finished, open_there
from hpo.terminal.commands import study_command


def test_a_study_and_its_trials_have_notes_and_pictures(job: Job) -> None:
    work(replace(job, total=1, artifacts=keep_artifacts))
    study = open_finished(job.run.location)
    note = get_note(study)
    assert f"{study_command('run', job.run.location, anywhere=True)} --trials 4" in note
    assert "conv1.learning_rate" in note
    assert "4-way" in note
    trial = study.trials[0]
    assert trial.state == TrialState.COMPLETE
    assert "| conv1 | 4 @ 3x3, pooled |" in get_note(optuna.Trial(study, trial._trial_id))
    kept = get_all_artifact_meta(trial, storage=study._storage)
    assert {meta.filename for meta in kept} == {CURVE, ANSWERS}
    assert {meta.mimetype for meta in kept} == {"image/png"}
    assert {meta.artifact_id for meta in kept} == {
        p.name for p in job.run.location.artifacts.iterdir()
    }


def test_a_note_that_a_person_changed_stays(job: Job) -> None:
    work(replace(job, total=1, artifacts=keep_artifacts))
    save_note(open_there(job.run.location), "mine")
    work(replace(job, total=2, artifacts=keep_artifacts))
    assert get_note(open_finished(job.run.location)) == "mine"


@pytest.mark.parametrize("broken", ["draw", "folder", "note"])
def test_no_picture_or_note_is_worth_a_trial(
    job: Job,
    broken: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no ink left")

    if broken == "draw":
        monkeypatch.setattr(hpo.search.artifacts.thumbnails, "draw_answers", fail)
    elif broken == "note":
        monkeypatch.setattr("optuna_dashboard.save_note", fail)
    else:
        job.run.location.folder.mkdir(parents=True)
        job.run.location.artifacts.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        work(replace(job, total=1, artifacts=keep_artifacts))
    trial = open_finished(job.run.location).trials[0]
    assert trial.state == TrialState.COMPLETE
    assert not any(key.startswith("artifacts:") for key in trial.system_attrs) or broken == "note"
    assert "could not be kept" in caplog.text
