import logging
from dataclasses import replace

import optuna
import pytest
from optuna.exceptions import StorageInternalError

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

    def gone(study: optuna.Study) -> int:
        raise StorageInternalError("no such table")

    monkeypatch.setattr("hpo.search.workers.deaths.finished", gone)
    with pytest.raises(StudyError, match="cannot be used: no such table"):
        Deaths(job.run.location).add("worker 0", "SIGKILL")
