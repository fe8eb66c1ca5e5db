import logging
from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

from hpo.search.workers.deaths import DEATHS, Deaths
from hpo.search.workers.worker import Job, work
from hpo.study.errors import StudyError
from hpo.study.open import open_study


def test_workers_that_keep_dying_end_the_study(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    open_study(job.run)
    deaths = Deaths(job.run.location)
    with caplog.at_level(logging.WARNING):
        for _ in range(DEATHS - 1):
            deaths.add("worker 0", "SIGKILL")
    assert caplog.text.count("worker 0 died by SIGKILL and is replaced") == DEATHS - 1
    # A finished trial starts the count again.
    work(replace(job, total=1))
    for _ in range(DEATHS - 1):
        deaths.add("worker 0", "SIGKILL")
    with pytest.raises(StudyError, match=r"10 workers died .* SIGKILL"):
        deaths.add("worker 0", "SIGKILL")


def test_a_database_that_is_gone_when_a_worker_dies_is_one_message(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_study(job.run)

    def gone(*_: object, **__: object) -> None:
        raise StorageInternalError("no such table")

    monkeypatch.setattr("optuna.study.Study.get_trials", gone)
    with pytest.raises(StudyError, match="cannot be used: no such table"):
        Deaths(job.run.location).add("worker 0", "SIGKILL")


def test_a_database_that_is_away_when_a_worker_dies_is_waited_for(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_study(job.run)
    real, asked = optuna.Study.get_trials, []

    def away_once(study: optuna.Study, **options: Any) -> Any:
        asked.append(study)
        if len(asked) == 1:
            raise StorageInternalError from OperationalError("SELECT 1", {}, OSError("closed"))
        return real(study, **options)

    monkeypatch.setattr("optuna.study.Study.get_trials", away_once)
    Deaths(job.run.location).add("worker 0", "SIGKILL")
    assert len(asked) == 2
