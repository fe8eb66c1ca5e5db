import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch

import hpo.fits.held_out
import hpo.training.data
import hpo.training.resumable
from data.dataset import Dataset
from hpo.fits.ablation import ablation
from hpo.fits.final import FitPlan, final_fit
from hpo.results.answers import accuracies, load_answers
from hpo.results.metrics import GALLERY, Metrics, load_metrics
from hpo.search.workers.worker import Job, work
from hpo.study.errors import ConfigError, StudyError
from hpo.study.open import open_study
from hpo.study.trials import record_failure
from model.evaluation.classifier import Classifier
from model.evaluation.scores import credit, one_shot_scores
from model.net.saved import load_net
from model.training.trainer import EpochResult, Trainer
from tests.hpo.support import tiny_dataset

PLAN = FitPlan(top=2, seeds=2)


def fit(job: Job, plan: FitPlan = PLAN) -> Metrics:
    return final_fit(job.run, plan)


def outcome(metrics: Metrics) -> list[object]:
    """Return what must be the same of two fits of the same plan."""
    return [
        metrics.trial,
        [(s.seed, s.best_epoch, s.validation_accuracy) for s in metrics.seeds],
        [c.scores for c in metrics.selection],
        [f.model_dump() for f in metrics.figures],
    ]


def test_fit_export_reload_predict(
    job: Job,
    strangers: Path,
    capsys: pytest.CaptureFixture[str],
    trained: list[int],
    real_onnx: None,
) -> None:
    work(replace(job, total=3))
    metrics = fit(job)
    folder = job.run.location.folder / "final"
    assert metrics == load_metrics(folder)
    output = capsys.readouterr().out
    assert "no MNIST figure: there is no MNIST here" in output
    assert "95 % interval" in output

    # What was chosen, and on what: nothing of the test alphabet.
    assert metrics.selection[0].trial == metrics.trial
    assert metrics.selection[0].mean == max(c.mean for c in metrics.selection)
    assert [seed.seed for seed in metrics.seeds] == [0, 1]
    best = max(metrics.seeds, key=lambda seed: seed.validation_accuracy)
    assert metrics.kept_seed == best.seed

    # The figures are those of the saved net.
    saved = load_net(folder)
    assert saved.provenance["seed"] == metrics.kept_seed
    tests, _ = hpo.fits.held_out.load_benchmark(job.run)
    assert metrics.ways() == [2, 5]
    for task in tests.tasks:
        scores = one_shot_scores(saved.net, task.trials)
        figure = metrics.find("n_way", "net", task.trials.way)
        assert figure is not None
        accuracy = float(credit(scores, task.trials.answer).double().mean())
        assert figure.values[metrics.kept_seed] == pytest.approx(accuracy, abs=0.01)
        assert figure.low <= figure.mean <= figure.high
        assert metrics.find("n_way", "pixel 1-NN", task.trials.way) is not None
    assert metrics.find("n_way", "modified Hausdorff", 5) is not None
    assert metrics.find("verification") is not None

    # All accuracies follow from the answers.
    assert accuracies(load_answers(folder)) == metrics.figures

    # The gallery needs nothing but its own pictures.
    ink = np.load(folder / GALLERY)["ink"]
    assert ink.dtype == np.uint8
    for shown in metrics.gallery.trials:
        assert max(shown.query, *shown.support) < len(ink)
        assert shown.scores[shown.chosen] == max(shown.scores)
    assert (folder / "training_curve.png").stat().st_size > 10_000
    assert (folder / "siamese.onnx").exists()
    assert not (folder / "checkpoints").exists()

    answer = Classifier(folder, strangers).rank(strangers / "1.png")
    assert {one.name for one in answer} == {"0", "1", "2"}

    # The same command again trains nothing.
    trained.clear()
    assert outcome(fit(job)) == outcome(metrics)
    assert not trained


def test_goes_on_after_a_kill(
    job: Job, monkeypatch: pytest.MonkeyPatch, trained: list[int]
) -> None:
    work(replace(job, total=2))
    trained.clear()
    whole = outcome(fit(job))
    expected = sorted(trained)
    for path in (job.run.location.folder / "final").glob("*.*"):
        path.unlink()
    trained.clear()
    counted = Trainer._epoch

    def killed(self: Trainer, number: int) -> EpochResult:
        if len(trained) == deaths[0]:
            deaths.pop(0)
            raise KeyboardInterrupt
        return counted(self, number)

    deaths = [2, 7, len(expected) - 1, -1]
    monkeypatch.setattr(Trainer, "_epoch", killed)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            fit(job)
    assert outcome(fit(job)) == whole
    assert sorted(trained) == expected, "an epoch was trained twice"


def test_two_at_once_do_not_overwrite_each_other(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    work(replace(job, total=1))
    epoch, told = Trainer._epoch, []

    def second(self: Trainer, number: int) -> EpochResult:
        if not told:
            with pytest.raises(StudyError) as caught:
                fit(job, FitPlan(seeds=1, seed=7))
            told.append(str(caught.value))
        return epoch(self, number)

    monkeypatch.setattr(Trainer, "_epoch", second)
    first = fit(job, FitPlan(seeds=1))
    folder = job.run.location.folder / "final"
    assert told == [
        f"{folder} is being written by process {os.getpid()} on {socket.gethostname()}; run the "
        "command again when that has ended"
    ]
    assert load_metrics(folder) == first
    assert [seed.seed for seed in fit(job, FitPlan(seeds=1, seed=7)).seeds] == [7]


def test_any_trial_is_fitted_in_a_folder_of_its_own(job: Job) -> None:
    work(replace(job, total=1))
    metrics = fit(job, FitPlan(trial=0, seeds=1))
    assert (metrics.title, metrics.trial, metrics.selection) == ("trial 0", 0, [])
    assert load_metrics(job.run.location.folder / "final-trial-0") == metrics
    assert not (job.run.location.folder / "final").exists()
    # The only trial there is needs no choosing.
    assert fit(job, FitPlan(seeds=1)).selection == []


def test_another_background_is_learnt_from_into_a_folder_of_its_own(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(replace(job, total=2))
    with pytest.raises(StudyError, match=r"--background small1 .* leave it out"):
        fit(job, FitPlan(seeds=1, background="small1"))
    asked: list[str] = []

    def load(*, background: str, **_: object) -> Dataset:
        asked.append(background)
        return replace(tiny_dataset(), name=f"omniglot-{background}")

    monkeypatch.setattr(hpo.training.data, "load", load)
    monkeypatch.setattr(hpo.fits.held_out, "load", load)
    metrics = fit(job, FitPlan(top=2, seeds=1, background="small1"))
    assert set(asked) == {"small1"}
    assert load_metrics(job.run.location.folder / "final-small1") == metrics
    assert FitPlan(trial=3, background="small2").folder == "final-trial-3-small2"
    with pytest.raises(ConfigError, match="small1"):
        fit(job, FitPlan(seeds=1, background="small"))


def test_a_collapsed_seed_is_retried_and_told(
    job: Job, diverging: set[int], capsys: pytest.CaptureFixture[str]
) -> None:
    work(replace(job, total=1))
    diverging |= {0, 1, 500_001}
    metrics = fit(job, FitPlan(trial=0, seeds=3))
    assert [(s.seed, s.retry_of, s.collapsed) for s in metrics.seeds] == [
        (500_000, 0, False),
        (500_001, 1, True),
        (2, None, False),
    ]
    assert load_metrics(job.run.location.folder / "final-trial-0") == metrics
    output = " ".join(capsys.readouterr().out.split())
    assert "seed 0 collapsed, retried with seed 500000 " in output
    assert "seed 1 collapsed, retried with seed 500001; so did the retry" in output
    assert "2 of 3 seeds collapsed, 1 replaced by a retry" in output


def test_a_seed_that_diverges_at_once_is_not_the_one_kept(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(replace(job, total=1))
    epoch, bad = Trainer._epoch, {0, 500_000}

    def diverge(self: Trainer, number: int) -> EpochResult:
        if self.seed in bad:
            with torch.no_grad():
                self.net.output.bias.fill_(torch.nan)
        return epoch(self, number)

    monkeypatch.setattr(Trainer, "_epoch", diverge)
    metrics = fit(job, FitPlan(trial=0, seeds=2))
    assert [seed.collapsed for seed in metrics.seeds] == [True, False]
    assert metrics.kept_seed == 1
    assert metrics.seeds[0].history[0]["loss"] is None
    bad |= {1, 500_001}
    with pytest.raises(StudyError, match=r"trial 0 diverges with every seed.*--trial"):
        fit(job, FitPlan(trial=0, seeds=2, minutes=0.0001))


def test_minutes_become_epochs(job: Job) -> None:
    work(replace(job, total=1))
    metrics = fit(job, FitPlan(trial=np.int64(0), seeds=1, minutes=0.0001))  # type: ignore[arg-type]
    assert metrics.seeds[0].epochs == 1 < job.run.config.budget.epochs


def test_candidates_are_trained_for_minutes_of_their_own(job: Job) -> None:
    work(replace(job, total=2))
    as_long_as_a_trial = fit(job, FitPlan(top=2, seeds=1))
    shorter = fit(job, FitPlan(top=2, seeds=1, retrain_minutes=0.0001))
    for metrics in (as_long_as_a_trial, shorter):
        assert [c.scores for c in metrics.selection] == sorted(
            (c.scores for c in metrics.selection), reverse=True
        )
    pairs = [candidate.pairs_seen for candidate in as_long_as_a_trial.selection]
    cut = [candidate.pairs_seen for candidate in shorter.selection]
    assert all(pairs)
    assert all(cut)
    assert max(p or 0 for p in cut) < min(p or 0 for p in pairs)
    # The fit itself is as long as before.
    assert shorter.seeds[0].epochs == as_long_as_a_trial.seeds[0].epochs


def test_a_final_budget_of_its_own(job: Job) -> None:
    work(replace(job, total=1))
    raw = {**job.run.config.model_dump(), "final": {"epochs": 5, "patience": 5}}
    longer = type(job.run.config).model_validate(raw)
    assert longer.identity() == job.run.config.identity()
    metrics = final_fit(replace(job.run, config=longer), FitPlan(trial=0, seeds=1))
    assert metrics.seeds[0].epochs == 5


def test_only_failed_trials_are_one_message(job: Job) -> None:
    study = open_study(job.run)
    trial = study.ask()
    record_failure(study._storage, trial._trial_id, "RuntimeError: no memory")
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    with pytest.raises(StudyError, match=r"1 trials but no complete one.*no memory"):
        fit(job)
    with pytest.raises(StudyError, match="no trial 7"):
        fit(job, FitPlan(trial=7))


def test_a_trial_that_lacks_a_value_is_named(job: Job) -> None:
    open_study(job.run).add_trial(
        optuna.trial.create_trial(
            params={"alien": 1},
            distributions={"alien": optuna.distributions.IntDistribution(0, 1)},
            value=1.0,
        )
    )
    for act in (fit, lambda job: ablation(job.run)):
        with pytest.raises(StudyError, match=r"trial 0 cannot be fitted: no value for .*--trial"):
            act(job)


def test_no_fit_is_taken_for_another(job: Job) -> None:
    work(replace(job, total=1))
    fit(job, FitPlan(seeds=1))
    config = job.run.location.folder / "final" / "config.json"
    before = json.loads(config.read_text())["provenance"]["fit"]
    fit(job, FitPlan(seeds=1, seed=9))
    assert json.loads(config.read_text())["provenance"]["fit"] != before
    assert torch.isfinite(load_net(config.parent).net.output.weight).all()
