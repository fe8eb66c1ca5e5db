import time
from dataclasses import replace
from pathlib import Path

import pytest

import hpo.run
from hpo.run import dry_run_study, run_study
from hpo.search.artifacts.upload import keep_artifacts
from hpo.search.workers.worker import Job, work
from hpo.study.errors import StudyError
from hpo.study.open import open_finished
from hpo.study.storage.location import StudyLocation
from tests.hpo.support import tiny_config, tiny_job


def test_a_study_runs_to_its_total(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_study(tiny_job(tmp_path, trials=2).run)
    output = capsys.readouterr().out
    assert "trial 0:" in output
    assert "trial 1:" in output
    study = open_finished(StudyLocation("tiny", tmp_path))
    assert len(study.trials) == 2
    assert "Study tiny: top 2 of 2 complete trials" in output
    # Each with its note and its pictures.
    assert len([path for path in (tmp_path / "tiny" / "artifacts").iterdir()]) == 4


def test_an_interrupted_run_says_how_to_resume(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[Job, int]] = []

    def interrupted(job: Job, workers: int) -> None:
        asked.append((job, workers))
        raise KeyboardInterrupt

    monkeypatch.setattr(hpo.run, "run_workers", interrupted)
    run = replace(job.run, data_root=job.run.location.out)
    assert not run_study(run, workers=3, deadline=7.0)
    assert asked == [(Job(run=run, total=4, deadline=7.0, artifacts=keep_artifacts), 3)]
    output = capsys.readouterr().out
    assert "Study tiny: up to 4 trials on cpu, kept in sqlite:///" in output
    assert "Interrupted. Rerun the command to resume." in output


def test_workers_that_worked_elsewhere_are_an_error(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(job: Job, workers: int) -> None:
        location = replace(job.run.location, out=job.run.location.out / "elsewhere")
        work(replace(job, run=replace(job.run, location=location)))

    monkeypatch.setattr(hpo.run, "run_workers", elsewhere)
    with pytest.raises(StudyError, match=r"study\.db holds 0 of 4 finished trials"):
        run_study(job.run)
    # Out of time, they need not have finished.
    monkeypatch.setattr(hpo.run, "run_workers", lambda job, workers: None)
    assert run_study(job.run, deadline=time.time() - 1)


def test_another_study_s_best_are_tried_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tiny_job(tmp_path, trials=1).run
    assert run_study(source)
    config = tiny_config(trials=2).model_copy(update={"name": "next", "start": ()})
    run = replace(source, config=config, location=StudyLocation("next", tmp_path))
    dry_run_study(run, source.location)
    assert "trial 0 of tiny (" in capsys.readouterr().out
    assert not run.location.folder.exists()
    assert run_study(run, source=source.location)
    assert "trial 0 of tiny (" in capsys.readouterr().out
    first, second = open_finished(run.location).trials
    assert first.params == open_finished(source.location).trials[0].params != second.params
    with pytest.raises(StudyError, match="that is the study itself"):
        run_study(run, source=run.location)


def test_a_dry_run_says_what_would_run(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    dry_run_study(job.run)
    output = capsys.readouterr().out
    for words in ("4 trials, sampler random", "3 epochs of 128 pairs", "fc.units", "largest"):
        assert words in output
    assert not job.run.location.folder.exists()


def test_a_wrong_source_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"best\.toml cannot be read"):
        run_study(tiny_job(tmp_path).run, source=tmp_path / "best.toml")
    assert list(tmp_path.iterdir()) == []
