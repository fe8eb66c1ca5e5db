"""Which trials count as alive, whatever the clocks say."""

import time
from typing import Any

import psutil
import pytest
from optuna.trial import TrialState

import hpo.search.workers.heartbeat
from hpo.search.workers.heartbeat import Heartbeat, HeartbeatMonitor, this_process
from hpo.search.workers.queue import next_trial
from hpo.search.workers.worker import Job
from hpo.study.errors import StudyError
from hpo.study.open import open_study
from hpo.study.trials import TrialRecord, original_number, record_heartbeat
from tests.hpo.support import name_worker, unreachable


class TestClocks:
    """Heartbeats are judged by how long they stand still, not by any clock's time of day."""

    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [1000.0]
        monkeypatch.setattr("hpo.search.workers.heartbeat.time.monotonic", lambda: now[0])
        return now

    def running(self, job: Job) -> Any:
        study = open_study(job.run)
        trial = next_trial(study, job.run.location, 1, seed=0)
        assert trial is not None
        worker = this_process() | {"machine": "elsewhere"}
        name_worker(study, trial._trial_id, worker)
        return study, trial

    @pytest.mark.parametrize("jump", [-1e7, 1e7])
    def test_a_jump_neither_kills_nor_keeps(
        self, job: Job, now: list[float], monkeypatch: pytest.MonkeyPatch, jump: float
    ) -> None:
        study, trial = self.running(job)
        monitor, clock = HeartbeatMonitor(), time.time
        assert next_trial(study, job.run.location, 1, seed=0, monitor=monitor) is None
        monkeypatch.setattr("time.time", lambda: clock() + jump)
        for beats in range(3):
            now[0] += hpo.search.workers.heartbeat.GRACE_SECONDS - 1
            record_heartbeat(study._storage, trial._trial_id, beats)
            assert next_trial(study, job.run.location, 1, seed=0, monitor=monitor) is None
        now[0] += hpo.search.workers.heartbeat.GRACE_SECONDS + 1
        again = next_trial(study, job.run.location, 1, seed=0, monitor=monitor)
        assert again is not None
        assert original_number(again) == trial.number

    def test_silence_while_the_database_was_away_does_not_count(
        self, job: Job, now: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study, _ = self.running(job)
        monitor = HeartbeatMonitor()
        assert next_trial(study, job.run.location, 1, seed=0, monitor=monitor) is None
        now[0] += 1000
        with monkeypatch.context() as away:
            away.setattr("hpo.study.storage.retry.RETRY_SECONDS", 0)
            away.setattr("hpo.search.workers.queue._fail_dead", unreachable)
            with pytest.raises(StudyError):
                next_trial(study, job.run.location, 1, seed=0, monitor=monitor)
        assert next_trial(study, job.run.location, 1, seed=0, monitor=monitor) is None


def test_a_heartbeat_beats_and_ends_with_its_trial(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.search.workers.heartbeat.HEARTBEAT_SECONDS", 0.01)
    study = open_study(job.run)
    trial = next_trial(study, job.run.location, 1, seed=0)
    assert trial is not None
    with Heartbeat(study, trial) as _:
        end = time.monotonic() + 30
        while TrialRecord.of(study.trials[0]).heartbeats < 2 and time.monotonic() < end:
            time.sleep(0.05)
        study.tell(trial, state=TrialState.FAIL)
    assert TrialRecord.of(study.trials[0]).heartbeats >= 2


@pytest.mark.parametrize("error", [psutil.AccessDenied(1), psutil.NoSuchProcess(1)])
@pytest.mark.parametrize(
    ("killed", "dead"), [(PermissionError(), False), (None, False), (ProcessLookupError(), True)]
)
def test_a_process_that_may_not_be_looked_at_is_not_dead(
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    killed: Exception | None,
    dead: bool,
) -> None:
    """As with ``hidepid``: /proc shows no other user's processes. Heartbeats decide."""
    study = open_study(job.run)
    trial = next_trial(study, job.run.location, 1, seed=0)
    assert trial is not None

    def hidden(*_: object) -> None:
        raise error

    def kill(*_: object) -> None:
        if killed:
            raise killed

    monkeypatch.setattr("hpo.search.workers.heartbeat.Path.read_text", unreachable_file)
    monkeypatch.setattr("psutil.Process", hidden)
    monkeypatch.setattr("os.kill", kill)
    monitor = HeartbeatMonitor()
    assert bool(monitor.dead(study.trials)) is dead
    monkeypatch.setattr("hpo.search.workers.heartbeat.GRACE_SECONDS", -1)
    assert monitor.dead(study.trials)


def unreachable_file(*_: object, **__: object) -> None:
    """Fail as a file that is not shown."""
    raise FileNotFoundError
