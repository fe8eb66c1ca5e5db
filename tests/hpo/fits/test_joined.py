"""A final fit with an ensemble: what it keeps, and what it does with fits that have none."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from optuna.trial import create_trial

import hpo.fits.held_out
from hpo.fits.final import FitPlan, final_fit
from hpo.results.accuracy import ENSEMBLE, NET
from hpo.results.answers import accuracies, load_answers
from hpo.results.fits import complete, replaced
from hpo.results.metrics import Metrics, load_metrics
from hpo.search.workers.worker import Job, work
from hpo.study.errors import ConfigError
from hpo.study.open import open_study
from hpo.study.record import best_trials
from model.evaluation.classifier import Classifier
from model.evaluation.scores import credit, one_shot_accuracy, one_shot_scores
from model.net.saved import load_net
from model.net.saved_ensemble import MEMBERS, load_ensemble
from model.net.siamese import parameter_count
from model.training.trainer import EpochResult, Trainer
from tests.hpo.support import SIZE

FILES = ("ensemble.json", "ensemble.onnx", MEMBERS)


def searched(job: Job, trials: int = 1) -> Path:
    work(Job(run=job.run, total=trials))
    return job.run.location.folder / "final"


def fit(job: Job, seeds: int = 3, *, ensemble: bool = True, top: int = 1) -> Metrics:
    return final_fit(job.run, FitPlan(top=top, seeds=seeds, ensemble=ensemble))


def nets_alone(metrics: Metrics) -> list[object]:
    return [f.model_dump() for f in metrics.figures if f.system == NET]


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_an_ensemble_is_kept_tested_exported_and_asked(
    job: Job,
    strangers: Path,
    capsys: pytest.CaptureFixture[str],
    trained: list[int],
    real_onnx: None,
) -> None:
    folder = searched(job)
    metrics = fit(job)
    assert metrics == load_metrics(folder)
    told = said(capsys)
    assert metrics.ensemble is not None
    assert metrics.ensemble.seeds == [0, 1, 2]
    saved = load_ensemble(folder)
    assert saved.calibration == metrics.ensemble.calibration
    assert saved.provenance["fit"] == load_net(folder).provenance["fit"]
    assert saved.net.calibrations == tuple(seed.calibration for seed in metrics.seeds)

    # The figures are those of the saved ensemble, from answers that are kept, too.
    assert accuracies(load_answers(folder)) == metrics.figures
    tests, _ = hpo.fits.held_out.load_benchmark(job.run)
    for task in tests.tasks:
        scores = one_shot_scores(saved.net, task.trials)
        figure = metrics.find("n_way", ENSEMBLE, task.trials.way)
        assert figure is not None
        assert figure.values == [
            pytest.approx(float(credit(scores, task.trials.answer).double().mean()), abs=0.01)
        ]
        assert figure.low <= figure.mean <= figure.high
    assert metrics.find("verification", ENSEMBLE) is not None
    fresh = hpo.fits.held_out.fresh_trials(job.run, 0)
    validated = one_shot_accuracy(saved.net, fresh)
    assert metrics.ensemble.validation_accuracy == pytest.approx(validated, abs=0.01)
    shown = f"{metrics.ensemble.validation_accuracy:.1%}"
    assert f"ensemble of 3: {shown} of 4,000 validation trials" in told

    # The file alone answers as torch does, and the single net's is as it was.
    a, b = torch.rand(2, 9, 1, SIZE, SIZE)
    for name, net, calibration in (
        ("ensemble.onnx", saved.net, saved.calibration),
        ("siamese.onnx", load_net(folder).net, load_net(folder).calibration),
    ):
        session = onnxruntime.InferenceSession(folder / name)
        (found,) = session.run(None, {"image_a": a.numpy(), "image_b": b.numpy()})
        with torch.no_grad():
            expected = calibration(net.score(net.embed(a), net.embed(b)))
        np.testing.assert_allclose(found, expected, atol=1e-3)

    # A stranger's images are asked of the ensemble, or of the single net.
    query = strangers / "1.png"
    joined, single = (
        {one.name: one.logit for one in Classifier(folder, strangers, single=alone).rank(query)}
        for alone in (False, True)
    )
    members = [
        {one.name: one.logit for one in Classifier(member, strangers).rank(query)}
        for member in sorted((folder / MEMBERS).iterdir())
    ]
    assert single == pytest.approx(members[metrics.kept_seed])
    for name, logit in joined.items():
        each = zip(saved.net.calibrations, members, strict=True)
        mean = sum(c.scale * (one[name] - c.shift) for c, one in each) / 3
        assert logit == pytest.approx(mean, abs=1e-4)

    # Asked for again, with and without, it is only shown.
    trained.clear()
    for again in (True, False):
        assert fit(job, ensemble=again) == metrics
        assert "Fitted already" in said(capsys)
    assert not trained
    # Another fit replaces it, and says so; nothing of the ensemble is left to answer.
    assert fit(job, 1, ensemble=False).ensemble is None
    assert "holds another fit, of trial 0 with 3 seeds and their ensemble of 3." in said(capsys)
    assert not any((folder / name).exists() for name in FILES)


def test_a_fit_without_one_gets_it_from_the_same_nets(
    job: Job, capsys: pytest.CaptureFixture[str], trained: list[int]
) -> None:
    folder = searched(job, 2)
    plain = fit(job, 2, ensemble=False, top=2)
    assert not any((folder / name).exists() for name in FILES)
    said(capsys)
    trained.clear()
    metrics = fit(job, 2, top=2)
    told = said(capsys)
    assert "only that of seed" in told
    assert "all 2 seeds are trained again" in told
    # The choice among the candidates stands.
    assert set(trained) == {0, 1}
    assert metrics.selection == plain.selection != []
    assert (metrics.trial, metrics.kept_seed) == (plain.trial, plain.kept_seed)
    assert nets_alone(metrics) == nets_alone(plain)
    assert metrics.ensemble is not None


def test_a_choice_among_trials_that_were_overtaken_is_made_anew(job: Job) -> None:
    """By trials of the same configurations, so that the fit is the same but for their numbers."""
    searched(job, 2)
    first = fit(job, 2, ensemble=False, top=2)
    study = open_study(job.run)
    for value, trial in zip((1.0, 0.99), best_trials(study), strict=True):
        again = create_trial(params=trial.params, distributions=trial.distributions, value=value)
        study.add_trial(again)
    assert final_fit(job.run, FitPlan(top=2, seeds=2)) == first
    assert fit(job, 2, top=2).trial in (2, 3)


def test_it_goes_on_after_a_kill(
    job: Job, monkeypatch: pytest.MonkeyPatch, trained: list[int]
) -> None:
    folder = searched(job)
    fit(job, ensemble=False)
    whole = sorted(trained[-9:])
    trained.clear()
    counted = Trainer._epoch

    def killed(self: Trainer, number: int) -> EpochResult:
        if len(trained) == 4 and not deaths:
            deaths.append(number)
            raise KeyboardInterrupt
        return counted(self, number)

    deaths: list[int] = []
    monkeypatch.setattr(Trainer, "_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(job)
    # Until the end the fit without one is what the folder holds.
    assert load_metrics(folder).ensemble is None
    assert fit(job).ensemble is not None
    assert sorted(trained) == whole, "an epoch was trained twice"


def test_a_seed_that_collapsed_is_no_member(
    job: Job, diverging: set[int], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = searched(job)
    diverging |= {0, 1, 500_001}
    metrics = fit(job)
    assert metrics.ensemble is not None
    assert metrics.ensemble.seeds == [500_000, 2]
    names = ["seed-2", "seed-500000"]
    assert sorted(one.name for one in (folder / MEMBERS).iterdir()) == names
    # One that is left is no ensemble, now and when it is asked for again.
    diverging |= {500_000}
    assert fit(job, 2).ensemble is None
    assert "no ensemble: fewer than two seeds did not collapse" in said(capsys)
    assert not any((folder / name).exists() for name in FILES)
    fit(job, 2)
    told = said(capsys)
    assert "Fitted already" in told
    assert "It has no ensemble: fewer than two of its seeds did not collapse." in told


def test_one_too_large_for_a_file_is_kept_all_the_same(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = searched(job)
    config = job.run.config
    start = config.space().hyperparameters(config.space().initial_configurations[0])
    most = 4 * parameter_count(start.architecture)
    monkeypatch.setattr("model.net.export._MOST_BYTES", most)
    assert fit(job, 2).ensemble is not None
    assert "ensemble.onnx is not written" in said(capsys)
    assert (folder / "siamese.onnx").exists()
    assert not (folder / "ensemble.onnx").exists()
    assert load_ensemble(folder).seeds == (0, 1)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "gallery.npz", "ensemble/seed-1/model.safetensors"]
)
def test_a_damaged_fit_is_named_and_done_again(
    job: Job, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, ensemble = searched(job), name.startswith("ensemble")
    whole = fit(job, 2, ensemble=ensemble)
    file = folder / name
    good = file.read_bytes()
    file.write_bytes(good[: len(good) // 2])
    said(capsys)
    again = fit(job, 2, ensemble=ensemble)
    joined = " and their ensemble of 2" * ensemble
    told = said(capsys)
    assert f"{folder} holds a damaged fit, of trial 0 with 2 seeds{joined}: {file} is" in told
    assert "All seeds are trained again" in told
    assert (again.figures, again.ensemble) == (whole.figures, whole.ensemble)
    assert file.read_bytes() == good
    fit(job, 2, ensemble=ensemble)
    assert "Fitted already" in said(capsys)


def test_every_file_that_is_damaged_is_named(job: Job) -> None:
    folder = searched(job)
    fit(job, 2)
    digest = load_net(folder).provenance["fit"]
    assert complete(folder, digest) is not None
    member = f"{MEMBERS}/seed-1"
    for name, words in (
        ("model.safetensors", "is damaged or no safetensors file"),
        ("config.json", "is damaged: it is not JSON"),
        ("answers.npz", "is damaged"),
        ("gallery.npz", "is missing or damaged"),
        ("metrics.json", "is damaged or of another version"),
        ("ensemble.json", "is damaged: it is not JSON"),
        (f"{member}/model.safetensors", "is damaged or no safetensors file"),
        (f"{member}/config.json", "is damaged: it is not JSON"),
    ):
        file = folder / name
        good = file.read_bytes()
        file.write_bytes(good[: len(good) // 2])
        assert complete(folder, digest) is None, name
        told = replaced(folder, None)
        assert f"{file} {words}" in told
        assert "replaced at the end" in told
        assert "another fit" not in told
        file.write_bytes(good)


def test_a_single_net_is_refused_as_an_ensemble(job: Job) -> None:
    with pytest.raises(ConfigError, match="at least two nets; give --seeds 2 or more"):
        fit(job, 1)
