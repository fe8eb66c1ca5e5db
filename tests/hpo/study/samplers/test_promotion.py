"""Whole searches with `asha`: totals, resumes, and what a promoted trial is."""

from dataclasses import replace
from pathlib import Path

import pytest

from hpo.results.costs import costed_trials
from hpo.search.workers.heartbeat import this_process
from hpo.search.workers.queue import next_trial
from hpo.search.workers.worker import Job, work
from hpo.study.attempts import finished, latest_attempts
from hpo.study.open import open_finished, open_study
from hpo.study.samplers.table import SAMPLERS
from hpo.study.trials import enqueue_promotion, records
from tests.hpo.support import name_worker, tiny_job


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_ends_at_its_total_with_one_configuration_at_the_end(
    tmp_path: Path, sampler: str
) -> None:
    """Also for fewer configurations than make a third, and of every sampler."""
    for total in (1, 5):
        job = ladder_job(tmp_path / str(total), total, sampler=sampler)
        work(job)
        study = open_finished(job.run.location)
        assert finished(study) == total
        assert len({record.original_number for record in records(study)}) == total
        ends = [record for record in records(study) if record.is_complete]
        assert ends
        assert {record.epochs for record in ends} == {9}


def ladder_job(out: Path, total: int, **search: object) -> Job:
    job = tiny_job(out, total, **{"pruner": "asha", **search})
    budget = job.run.config.budget.model_copy(update={"epochs": 9, "patience": 9})
    config = job.run.config.model_copy(update={"budget": budget})
    return replace(job, run=replace(job.run, config=config))


def test_a_promoted_trial_equals_one_that_was_never_paused(tmp_path: Path) -> None:
    job, plain = (ladder_job(tmp_path / name, 2, pruner=name) for name in ("asha", "none"))
    work(job)
    work(plain)
    found = records(open_finished(job.run.location))
    promoted = [record for record in found if record.promoted_after_epoch]
    assert len(promoted) > 1
    unbroken = {r.seed: r for r in records(open_finished(plain.run.location))}
    for record in promoted:
        assert record.resumed_after_epoch == record.promoted_after_epoch
        same = unbroken[record.seed]
        assert record.params == same.params
        assert outcomes_of(record.history) == outcomes_of(same.history)[: record.epochs]


def test_what_was_trained_is_counted_once(tmp_path: Path) -> None:
    job = ladder_job(tmp_path, 5)
    work(job)
    trials = costed_trials(open_finished(job.run.location))
    assert any(trial.promoted_after_epoch for trial in trials)
    ends = latest_attempts(trials).values()
    assert sum(trial.pairs for trial in trials) == sum(trial.pairs_seen or 0 for trial in ends)
    assert all(trial.seconds > 0 for trial in trials)


def outcomes_of(history: object) -> list:
    return [(r["loss"], r["one_shot_accuracy"]) for r in history]  # type: ignore[attr-defined]


def test_a_broken_search_equals_an_unbroken_one(tmp_path: Path) -> None:
    whole, broken = ladder_job(tmp_path / "whole", 7), ladder_job(tmp_path / "broken", 7)
    work(whole)
    for total in (1, 3, 7):
        work(replace(broken, total=total))
    first, second = (open_finished(job.run.location) for job in (whole, broken))
    # Stopped at one, the first was brought to its end, which the unbroken search did not need.
    assert finished(first) == finished(second) == 7
    seeds = [{r.seed: r.params for r in records(study)} for study in (first, second)]
    assert seeds[0] == seeds[1]


def test_a_promoted_trial_whose_process_died_is_retried(tmp_path: Path) -> None:
    job = ladder_job(tmp_path, 3)
    work(job)
    study = open_study(job.run)
    (paused,) = [t for t in study.trials if t.user_attrs.get("paused") and t.last_step == 1][:1]
    enqueue_promotion(study, paused)
    trial = next_trial(study, job.run.location, 3, seed=0)
    assert trial is not None
    assert trial.user_attrs["promoted_after_epoch"] == 1
    name_worker(study, trial._trial_id, {**this_process(), "started": "0"})
    assert finished(study) == 2
    again = next_trial(study, job.run.location, 3, seed=0)
    assert again is not None
    assert again.user_attrs["promoted_after_epoch"] == 1
    assert again.params == paused.params
