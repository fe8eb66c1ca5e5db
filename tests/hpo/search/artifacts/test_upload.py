import logging
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from optuna_dashboard import get_note, save_note

import hpo.search.artifacts.thumbnails
from hpo.search.artifacts import upload
from hpo.search.artifacts.upload import ANSWERS, CURVE, _told, keep_artifacts
from hpo.search.workers.worker import Job, work
from hpo.study.open import open_finished, open_there
from hpo.terminal.commands import study_command
from model.training.epoch import EpochResult
from model.training.trainer import Trainer


def test_a_study_and_its_trials_have_notes_and_pictures(job: Job) -> None:
    work(replace(job, total=1, artifacts=keep_artifacts))
    study = open_finished(job.run.location)
    note = get_note(study)
    assert f"{study_command('run', job.run.location, anywhere=True)} --trials 4" in note
    assert "conv1.learning_rate" in note
    assert "4-way" in note
    trial = study.trials[0]
    assert trial.state == TrialState.COMPLETE
    assert "| 4 @ 3x3, pooled" in get_note(_told(study, 0))
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


def test_the_study_s_note_tells_the_present_total(job: Job) -> None:
    work(replace(job, total=1, artifacts=keep_artifacts))
    more = replace(job.run, config=job.run.config.changed(trials=7))
    work(replace(job, run=more, total=1, artifacts=keep_artifacts))
    note = get_note(open_finished(job.run.location))
    assert "7 in all |" in note
    assert " --trials 7\n" in note


def notes_of(job: Job) -> list[str]:
    study = open_finished(job.run.location)
    return [get_note(_told(study, trial.number)) for trial in study.trials]


def at_each_epoch(monkeypatch: pytest.MonkeyPatch, do: Callable[[int], None]) -> None:
    """Call ``do`` with the number of each epoch, from 0, before it is trained."""
    epoch = Trainer._epoch

    def watched(self: Trainer, number: int) -> EpochResult:
        do(number)
        return epoch(self, number)

    monkeypatch.setattr(Trainer, "_epoch", watched)


@pytest.mark.parametrize(("seconds", "changes"), [(0, 2), (1000, 0)])
def test_a_running_trial_s_note_changes_now_and_then(
    job: Job, monkeypatch: pytest.MonkeyPatch, seconds: float, changes: int
) -> None:
    monkeypatch.setattr(upload, "NOTE_SECONDS", seconds)
    monkeypatch.setattr(upload, "_PAUSE", 0)
    seen: list[str] = []
    at_each_epoch(monkeypatch, lambda _: seen.extend(notes_of(job)))
    work(replace(job, total=1, artifacts=keep_artifacts))
    assert len(seen) == 3
    assert all("**Running**" in note for note in seen)
    assert "in its first epoch" in seen[0]
    assert len(set(seen)) == 1 + changes
    assert not changes or "epoch 2 of at most 3" in seen[-1]
    assert "**Running**" not in notes_of(job)[0]


def test_a_slow_database_is_written_to_less_often(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "NOTE_SECONDS", 0)
    kept: list[object] = []

    def slowly(where: object, text: str) -> None:
        kept.append(where)
        time.sleep(0.05)

    monkeypatch.setattr(upload, "_keep", slowly)
    work(replace(job, total=1, artifacts=keep_artifacts))
    # Of the study, and of the trial's start and end.
    assert len(kept) == 3


def test_what_a_person_writes_while_a_trial_runs_stays(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "NOTE_SECONDS", 0)

    def write(epoch: int) -> None:
        if epoch == 1:
            study = open_there(job.run.location)
            trial = _told(study, 0)
            save_note(trial, get_note(trial).replace("Running", "Mine"))

    at_each_epoch(monkeypatch, write)
    work(replace(job, total=1, artifacts=keep_artifacts))
    assert "**Mine**: in its first epoch" in notes_of(job)[0]


def test_failed_and_interrupted_trials_tell_why_and_what_retries_them(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = replace(job, total=2, artifacts=keep_artifacts)
    raised: list[BaseException] = [ValueError("no such *layer*"), KeyboardInterrupt()]

    def fail(epoch: int) -> None:
        if epoch == 1 and raised:
            raise raised.pop(0)

    at_each_epoch(monkeypatch, fail)
    with pytest.raises(KeyboardInterrupt):
        work(job)
    failed, stopped = notes_of(job)
    assert "ValueError: no such *layer*" in failed
    assert "Interrupted after epoch 1, resumes as [trial 2](?numbers=2) from its last" in stopped
    assert "Its process was stopped." in stopped
    work(job)
    assert notes_of(job)[0] == failed
    # It had no checkpoint yet.
    assert "Interrupted, starts anew as [trial 2]" in notes_of(job)[1]
    assert "A retry of [trial 1](?numbers=1)." in notes_of(job)[2]
    # A process that died cannot say so itself.
    study = open_there(job.run.location)
    study.tell(study.ask(), state=TrialState.FAIL)
    work(replace(job, total=3))
    assert (
        "Interrupted, starts anew as [trial 5](?numbers=5). Its process died." in notes_of(job)[4]
    )


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


def test_a_database_that_is_away_between_trials_is_left_to_the_trials(
    job: Job, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    work(replace(job, total=1, artifacts=keep_artifacts))
    kept = keep_artifacts(open_finished(job.run.location), job.run)

    def away(*_: object, **__: object) -> None:
        raise StorageInternalError("no such table")

    monkeypatch.setattr(upload, "records", away)
    with caplog.at_level(logging.WARNING):
        kept.between_trials()
    assert not caplog.records
