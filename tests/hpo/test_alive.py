"""Which trials count as alive, whatever the clocks say."""

import time
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

import hpo.alive
from hpo.alive import Heartbeat, Watch
from hpo.claims import claim
from hpo.errors import StudyError
from hpo.study import open_study
from hpo.worker import Job
from tests.hpo.support import unreachable

ROOT = Path(__file__).resolve().parents[2]


class TestClocks:
    """Heartbeats are judged by how long they stand still, not by any clock's time of day."""

    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [1000.0]
        monkeypatch.setattr("hpo.alive.time.monotonic", lambda: now[0])
        return now

    def running(self, job: Job) -> Any:
        study = open_study(job.definition, job.place)
        trial = claim(study, job.place, 1, seed=0)
        assert trial is not None
        elsewhere = trial.user_attrs["worker"] | {"machine": "elsewhere"}
        study._storage.set_trial_user_attr(trial._trial_id, "worker", elsewhere)
        return study, trial

    @pytest.mark.parametrize("jump", [-1e7, 1e7])
    def test_a_jump_neither_kills_nor_keeps(
        self, job: Job, now: list[float], monkeypatch: pytest.MonkeyPatch, jump: float
    ) -> None:
        study, trial = self.running(job)
        watch, clock = Watch(), time.time
        assert claim(study, job.place, 1, seed=0, watch=watch) is None
        monkeypatch.setattr("time.time", lambda: clock() + jump)
        for beats in range(3):
            now[0] += hpo.alive.GRACE_SECONDS - 1
            study._storage.set_trial_user_attr(trial._trial_id, "heartbeats", beats)
            assert claim(study, job.place, 1, seed=0, watch=watch) is None
        now[0] += hpo.alive.GRACE_SECONDS + 1
        again = claim(study, job.place, 1, seed=0, watch=watch)
        assert again is not None
        assert again.user_attrs["retry_of"] == trial.number

    def test_silence_while_the_database_was_away_does_not_count(
        self, job: Job, now: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study, _ = self.running(job)
        watch = Watch()
        assert claim(study, job.place, 1, seed=0, watch=watch) is None
        now[0] += 1000
        with monkeypatch.context() as away:
            away.setattr("hpo.patience.PATIENCE_SECONDS", 0)
            away.setattr("hpo.claims._fail_dead", unreachable)
            with pytest.raises(StudyError):
                claim(study, job.place, 1, seed=0, watch=watch)
        assert claim(study, job.place, 1, seed=0, watch=watch) is None


def test_a_heartbeat_beats_and_ends_with_its_trial(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.alive.HEARTBEAT_SECONDS", 0.01)
    study = open_study(job.definition, job.place)
    trial = claim(study, job.place, 1, seed=0)
    assert trial is not None
    with Heartbeat(study, trial) as _:
        end = time.monotonic() + 30
        while study.trials[0].user_attrs.get("heartbeats", 0) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        study.tell(trial, state=TrialState.FAIL)
    assert study.trials[0].user_attrs["heartbeats"] >= 2
