import hashlib
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import FixedTrial, TrialState

from hpo.search.hooks import Observer
from hpo.search.objective import Objective
from hpo.search.workers.worker import Job, work
from hpo.study.open import open_finished
from hpo.study.samplers.table import PRUNERS
from hpo.study.trials import TrialRecord
from hpo.terminal.progress import describe
from hpo.training.checkpoints import Checkpoints
from hpo.training.data import load_data
from model.training.trainer import EpochResult, Trainer
from tests.hpo.support import tiny_job


def test_the_objective_is_a_function_of_its_trial(job: Job) -> None:
    inputs = load_data(job.run)
    objective = Objective(job.run, inputs)
    start = dict(job.run.config.space().initial_configurations[0])
    assert objective(FixedTrial(start)) == objective(FixedTrial(start))


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_diverged_trial_is_worth_chance_or_pruned(
    tmp_path: Path, pruner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tiny_job(tmp_path, pruner=pruner)
    epoch = Trainer._epoch

    def diverge(self: Trainer, number: int) -> EpochResult:
        way = self.validation.trials.way
        return replace(
            epoch(self, number), diverged=True, loss=float("nan"), one_shot_accuracy=1 / way
        )

    monkeypatch.setattr(Trainer, "_epoch", diverge)
    work(replace(job, total=1))
    trial = open_finished(job.run.location).trials[0]
    assert trial.value == 1 / job.run.config.validation.way
    # Complete, it would be better than all pruned ones in the eyes of a sampler.
    assert trial.state == (TrialState.PRUNED if PRUNERS[pruner].prunes else TrialState.COMPLETE)
    record = TrialRecord.of(trial)
    assert record.diverged
    assert record.history[0]["loss"] is None


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_collapsed_trial_ends_is_marked_and_is_worth_its_best_epoch(
    tmp_path: Path, pruner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tiny_job(tmp_path, pruner=pruner)
    way = job.run.config.validation.way
    epoch = Trainer._epoch

    def collapse(self: Trainer, number: int) -> EpochResult:
        accuracy = 1 / way if number else 0.95
        return replace(epoch(self, number), loss=1.0, one_shot_accuracy=accuracy)

    monkeypatch.setattr(Trainer, "_epoch", collapse)
    work(replace(job, total=1))
    trial = open_finished(job.run.location).trials[-1]
    record = TrialRecord.of(trial)
    assert record.collapsed
    assert not record.diverged
    assert (record.accuracy, record.best_epoch) == (0.95, 1)
    # Where trials rise through rungs, those that came to the end are complete, and no others.
    rises = pruner == "asha"
    assert trial.state == (TrialState.PRUNED if rises else TrialState.COMPLETE)
    assert not record.paused
    assert "collapsed" in describe(trial)


def test_pruned_trials_count_and_keep_their_history(tmp_path: Path) -> None:
    job = tiny_job(tmp_path, 8, pruner="median", startup=2)
    work(job)
    trials = open_finished(job.run.location).trials
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned
    assert all(TrialRecord.of(trial).history for trial in pruned)
    assert len(trials) == 8


@pytest.mark.parametrize("pruner", [name for name, row in PRUNERS.items() if row.prunes])
def test_a_trial_that_came_to_its_end_is_complete(tmp_path: Path, pruner: str) -> None:
    job = tiny_job(tmp_path, 10, pruner=pruner, startup=2)
    work(job)
    for trial in open_finished(job.run.location).trials:
        ended = len(TrialRecord.of(trial).history) == job.run.config.budget.epochs
        assert trial.state == (TrialState.COMPLETE if ended else TrialState.PRUNED)


@pytest.mark.parametrize("pruned", [False, True])
def test_a_trial_whose_training_ended_is_handed_on_before_it_is_told(
    job: Job, monkeypatch: pytest.MonkeyPatch, pruned: bool
) -> None:
    handed: list[tuple[int, int, bool, TrialState]] = []

    def begin(study: optuna.Study, run: object) -> object:
        assert run == job.run

        class Handed(Observer):
            def on_end(self, trial: optuna.Trial, trainer: Trainer, pruned: bool) -> None:
                state = study.trials[trial.number].state
                handed.append((trial.number, len(trainer.history), pruned, state))

        return Handed()

    monkeypatch.setattr(optuna.Trial, "should_prune", lambda _: pruned)
    work(replace(job, total=2, artifacts=begin))
    epochs = 1 if pruned else job.run.config.budget.epochs
    assert handed == [(number, epochs, pruned, TrialState.RUNNING) for number in range(2)]
    state = TrialState.PRUNED if pruned else TrialState.COMPLETE
    assert [trial.state for trial in open_finished(job.run.location).trials] == [state] * 2


def test_a_resumed_trial_reports_every_epoch(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.training.resumable.CHECKPOINT_SECONDS", 0)
    start = dict(job.run.config.space().initial_configurations[0])
    inputs, checkpoints = load_data(job.run), Checkpoints(tmp_path / "checkpoints")
    whole = Objective(job.run, inputs)(FixedTrial(start))
    epoch = Trainer._epoch

    def killed(self: Trainer, number: int) -> EpochResult:
        if number == 2:
            raise KeyboardInterrupt
        return epoch(self, number)

    objective = Objective(job.run, inputs, checkpoints=checkpoints)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_epoch", killed)
        with pytest.raises(KeyboardInterrupt):
            objective(FixedTrial(start))
    reported: list[int] = []
    monkeypatch.setattr(FixedTrial, "report", lambda _, value, step: reported.append(step))
    again = FixedTrial(start)
    assert objective(again) == whole
    assert reported == [1, 2, 3]
    assert again.user_attrs["resumed_after_epoch"] == 2


def test_the_key_of_a_checkpoint_never_changes(job: Job) -> None:
    """Another key would start every trial that runs from its first epoch."""
    objective = Objective(job.run, replace(load_data(job.run), digest="0" * 64))
    trial = FixedTrial(dict(objective.space.initial_configurations[0]))
    objective.space.suggest(trial)
    key = hashlib.sha256(objective._key(trial, 7).encode()).hexdigest()
    assert key == "bd6aebc46b99b164c75313087d588726e51909600625d7a0ee8e6e82365537b2"
