import logging
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hpo
from hpo.search.hooks import Observer, TrialEpoch
from hpo.search.workers.processes import run_workers
from hpo.search.workers.worker import Job, work
from hpo.study.attempts import outcome
from hpo.study.errors import StudyError
from hpo.study.open import open_finished
from hpo.study.trials import TrialRecord, records
from model.training.trainer import Trainer
from tests import ROOT
from tests.hpo.support import outcomes, tiny_job


def test_a_hook_is_given_every_epoch_of_every_trial(job: Job) -> None:
    seen: list[TrialEpoch] = []
    work(replace(job, total=2, on_epoch=seen.append))
    first, second = open_finished(job.run.location).trials
    assert [(one.trial, one.result.epoch, one.state) for one in seen] == [
        *((0, 1, "running"), (0, 2, "running"), (0, 3, "complete")),
        *((1, 1, "running"), (1, 2, "running"), (1, 3, "complete")),
    ]
    assert {one.study for one in seen} == {"tiny"}
    assert [dict(seen[i].params) for i in (2, 5)] == [first.params, second.params]
    assert [seen[i].best for i in (2, 5)] == [first.value, second.value]
    assert [asdict(one) for one in seen[5].history] == list(TrialRecord.of(second).history)
    rates = seen[5].learning_rates
    assert list(rates) == ["conv1", "conv2", "fc", "output"]
    decayed = second.params["fc.learning_rate"] * 0.99**2
    assert rates["fc"] == pytest.approx(decayed, rel=1e-5)


def test_pruned_trials_end_for_a_hook_too(tmp_path: Path) -> None:
    seen: list[TrialEpoch] = []
    job = tiny_job(tmp_path, 8, pruner="median", startup=2)
    work(replace(job, on_epoch=seen.append))
    ends = {one.trial: one.state for one in seen if one.state != "running"}
    assert ends == {
        r.number: r.state.name.lower() for r in records(open_finished(job.run.location))
    }
    assert "pruned" in ends.values()


def test_a_hook_is_told_a_paused_trial_from_a_pruned_one(tmp_path: Path) -> None:
    seen: list[TrialEpoch] = []
    job = tiny_job(tmp_path, 3, pruner="asha")
    work(replace(job, on_epoch=seen.append))
    ends = [one.state for one in seen if one.state != "running"]
    assert ends == [outcome(record) for record in records(open_finished(job.run.location))]
    assert "paused" in ends


def test_a_retry_goes_on_under_the_number_of_its_configuration(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.training.resumable.CHECKPOINT_SECONDS", 0)
    seen: list[TrialEpoch] = []
    epoch, stops = Trainer._epoch, [2]

    def stop(self: Trainer, number: int) -> Any:
        if number in stops:
            stops.remove(number)
            raise KeyboardInterrupt
        return epoch(self, number)

    monkeypatch.setattr(Trainer, "_epoch", stop)
    job = replace(job, total=1, on_epoch=seen.append)
    with pytest.raises(KeyboardInterrupt):
        work(job)
    work(job)
    assert [(one.trial, one.result.epoch) for one in seen] == [(0, 1), (0, 2), (0, 3)]
    assert len(seen[-1].history) == 3


def test_a_failing_hook_is_one_warning_and_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, hooked = tiny_job(tmp_path / "whole", 2), tiny_job(tmp_path / "hooked", 2)
    work(whole)
    called: list[int] = []

    def fail(epoch: TrialEpoch) -> None:
        called.append(epoch.trial)
        raise ConnectionError("no network")

    with caplog.at_level(logging.WARNING):
        work(replace(hooked, on_epoch=fail))
    assert len(called) == 6
    (said,) = [record.getMessage() for record in caplog.records if "on_epoch" in record.msg]
    assert "trial 0: the hook on_epoch failed (ConnectionError: no network)" in said
    assert outcomes(hooked) == outcomes(whole)


def test_a_hook_that_cannot_be_sent_to_workers_is_one_message(job: Job) -> None:
    with pytest.raises(StudyError, match="on_epoch cannot be sent to other processes"):
        run_workers(replace(job, on_epoch=lambda epoch: None), 2)


def test_an_observer_hears_of_all_in_order(job: Job) -> None:
    heard: list[str] = []

    class Ears(Observer):
        def __getattribute__(self, name: str) -> Callable[..., None]:
            method = super().__getattribute__(name)

            def hear(*arguments: Any) -> None:
                heard.append(name)
                method(*arguments)

            return hear

    work(replace(job, total=1, artifacts=lambda study, run: Ears()))
    between = "between_trials"
    assert heard == [between, "on_start", "on_epoch", "on_epoch", "on_end", between, between]


class Tracker:
    """Stands in for wandb and mlflow: keeps what is logged, by run."""

    def __init__(self) -> None:
        self.runs: dict[str, Tracker] = {}
        self.run: Tracker | None = None
        self.summary: dict[str, float] = {}
        self.values: dict[str, Any] = {}
        self.metrics: dict[int, dict[str, float]] = {}

    def init(self, project: str, id: str, resume: str, config: dict[str, Any]) -> "Tracker":
        assert self.run is None
        self.start_run(id)
        assert self.run is not None
        self.run.values, self.run.finish = config, self.finish  # type: ignore[method-assign]
        return self.run

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.metrics[step] = metrics

    def finish(self) -> None:
        self.run = None

    def active_run(self) -> "Tracker | None":
        return self.run

    def start_run(self, run_name: str) -> None:
        assert self.run is None
        self.run = self.runs.setdefault(run_name, Tracker())
        self.run.id, self.run.info = run_name, SimpleNamespace(run_name=run_name)  # type: ignore[attr-defined]

    def end_run(self) -> None:
        self.run = None

    def log_params(self, values: dict[str, Any]) -> None:
        assert self.run is not None
        self.run.values = values

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        assert self.run is not None
        self.run.metrics[step] = metrics

    def log_metric(self, name: str, value: float) -> None:
        assert self.run is not None
        self.run.summary[name] = value


@pytest.mark.parametrize("package", ["wandb", "mlflow"])
def test_the_examples_of_the_readme_log_each_trial(
    job: Job, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    tracker = Tracker()
    monkeypatch.setitem(sys.modules, package, tracker)  # type: ignore[arg-type]
    epoch, fail = Trainer._epoch, [1]

    def failing(self: Trainer, number: int) -> Any:
        if number in fail:
            fail.remove(number)
            raise ValueError("no luck")
        return epoch(self, number)

    monkeypatch.setattr(Trainer, "_epoch", failing)
    errors: list[Exception] = []

    class Study:
        def __init__(self, name: str):
            assert name == "compact"

        def run(self, on_epoch: Callable[[TrialEpoch], None]) -> None:
            def tell(epoch: TrialEpoch) -> None:
                try:
                    on_epoch(epoch)
                except Exception as error:
                    errors.append(error)

            work(replace(job, total=2, on_epoch=tell))

    monkeypatch.setattr(hpo, "Study", Study, raising=False)
    blocks = re.findall(r"^```py\n(.*?)^```", (ROOT / "hpo/README.md").read_text(), re.M | re.S)
    (lines,) = (block for block in blocks if f"import hpo, {package}" in block)
    exec(lines, {})
    assert not errors
    trials = open_finished(job.run.location).trials
    assert [trial.state.name for trial in trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert list(tracker.runs) == ["tiny-0", "tiny-1", "tiny-2"]
    for trial, run in zip(trials, tracker.runs.values(), strict=True):
        assert run.values == trial.params
        assert {n: one["one-shot"] for n, one in run.metrics.items()} == trial.intermediate_values
        assert run.summary == ({} if trial.value is None else {"value": trial.value})
    assert tracker.run is None
