"""A final fit of an initial configuration, which needs no search before."""

from dataclasses import replace

import pytest

from hpo.fits.final import FitPlan, final_fit
from hpo.report import write_report
from hpo.search.workers.worker import Job, work
from hpo.study.errors import StudyError
from hpo.study.open import open_study


def test_a_start_is_fitted_and_a_search_that_follows_has_it_as_its_first_trial(
    job: Job,
    trained: list[int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts = job.run.config.space().initial_configurations
    for number in (None, len(starts)):
        with pytest.raises(StudyError, match="run it first"):
            final_fit(job.run, FitPlan(seeds=1, trial=number))
        assert not job.run.location.folder.exists()
    plan = FitPlan(seeds=1, trial=0)
    metrics = final_fit(job.run, plan)
    assert metrics.parameters == starts[0]
    capsys.readouterr()

    # Without a trial, as after it.
    trained.clear()
    for trials in (0, 1):
        work(replace(job, total=trials))
        trained.clear()
        study = open_study(job.run)
        assert [trial.params for trial in study.trials] == [starts[0]] * trials
        assert final_fit(job.run, plan) == metrics
        said = " ".join(capsys.readouterr().out.split())
        assert "Fitted already" in said
        assert "It was not tested on MNIST, which could not be had then" in said
        assert not trained
    # Where it is comparable with published figures, the official runs should have been tested too.
    monkeypatch.setattr("hpo.results.published.comparable", lambda data: True)
    final_fit(job.run, plan)
    assert "not tested on the official runs or MNIST" in " ".join(capsys.readouterr().out.split())
    report = write_report(job.run.location) / "report.html"
    assert "trial 0" in report.read_text(encoding="utf-8")
