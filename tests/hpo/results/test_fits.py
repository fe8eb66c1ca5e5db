import logging
from pathlib import Path

import pytest

from hpo.results.accuracy import ENSEMBLE
from hpo.results.fits import (
    complete,
    find_fits,
    fixed_or,
    kind,
    label,
    n_way,
    of_alphabets,
    replaced,
    with_ensembles,
)
from hpo.results.metrics import METRICS, save_metrics
from hpo.study.files import load
from hpo.study.storage.location import StudyLocation
from model.net.calibration import IDENTITY
from model.net.ensemble import Ensemble
from model.net.saved import SavedNet, save_net
from model.net.saved_ensemble import ENSEMBLE as FILE
from model.net.saved_ensemble import SavedEnsemble, save_ensemble
from model.net.siamese import SiameseNet
from tests.hpo.report_support import ALPHABETS, fake_fit
from tests.model.support import TINY


def test_fits_are_found_the_best_configuration_s_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    location = StudyLocation("smoke", tmp_path)
    assert find_fits(location) == []
    fake_fit(location, "final-trial-0", trial=0)
    fake_fit(location, "final", trial=3)
    fake_fit(location, "final-small2", trial=3, data="omniglot-small2")
    # The best trial, fitted once more because asked for, is the same fit.
    fake_fit(location, "final-trial-3", trial=3)
    (location.folder / "final-trial-5").mkdir()
    (location.folder / "final-trial-5" / "metrics.json").write_text("{}")
    with caplog.at_level(logging.WARNING):
        fits = find_fits(location)
    assert "final-trial-5" in caplog.text
    assert [(fit.folder.name, fit.small) for fit in fits] == [
        ("final", False),
        ("final-small2", True),
        ("final-trial-0", False),
    ]
    assert [fit.label for fit in fits] == [
        "ours, best configuration (trial 3)",
        "ours, best configuration (trial 3, trained on small2)",
        "ours, another configuration (trial 0)",
    ]


def test_a_fit_s_name_tells_of_collapsed_seeds(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    metrics = fake_fit(location, "final", trial=3)
    one, two, three = metrics.seeds
    for changes, words in (
        ({}, ""),
        ({"collapsed": True}, ", 1 of 3 seeds collapsed"),
        ({"collapsed": True, "retry_of": 5}, ", 1 of 3 seeds collapsed"),
        ({"retry_of": 5}, ", 1 of 3 seeds collapsed, 1 replaced by a retry"),
    ):
        seeds = [one, two.model_copy(update=changes), three]
        save_metrics(metrics.model_copy(update={"seeds": seeds}), location.folder / "final")
        (fit,) = find_fits(location)
        assert fit.label == f"ours, best configuration (trial 3{words})"


def test_a_system_s_accuracies_are_picked(tmp_path: Path) -> None:
    metrics = fake_fit(StudyLocation("smoke", tmp_path), "final", trial=1)
    assert [one.way for one in n_way(metrics)] == [2, 5, 10, 15, 20]
    of_all = of_alphabets(metrics, 15)
    # One alphabet has fewer than 15 characters.
    assert [one.alphabet for one in of_all] == [None, *(a for a in ALPHABETS if a != "ULOG")]
    assert {one.system for one in of_alphabets(metrics, 15, "pixel 1-NN")} == {"pixel 1-NN"}
    assert of_alphabets(metrics, 15, "unknown") == n_way(metrics, "unknown") == []


def test_a_number_is_searched_fixed_or_the_default(tmp_path: Path) -> None:
    metrics = fake_fit(StudyLocation("smoke", tmp_path), "final", trial=1)
    assert fixed_or(metrics, {"parameters.conv1.filters": {"value": 8}}, "conv1.filters", 1) == 64
    assert fixed_or(metrics, {"parameters.fc.units": {"value": 8}}, "fc.units", 1) == 8
    assert fixed_or(metrics, {}, "fc.units", 1) == 1


def test_the_paper_s_configuration_is_what_equals_it(tmp_path: Path) -> None:
    paper = load("paper").space()
    (start,) = paper.initial_configurations
    assert kind(start, paper) == "paper's"
    # The paper gives no rates, and which trial has its net does not count.
    assert kind({**start, "conv1.learning_rate": 1e-3}, paper) == "paper's"
    assert kind({**start, "conv1.filters": 32}, paper) == ""
    # Its images are smaller, so it is another net.
    for name in (
        "compact",
        "smoke",
        "beyond",
        "beyond-70",
        "beyond-105",
        "beyond-unaided",
        "beyond-70-unaided",
    ):
        space = load(name).space()
        assert {kind(one, space) for one in space.initial_configurations} == {"initial"}, name
    assert kind(start, None) == kind({}, paper) == ""
    metrics = fake_fit(StudyLocation("paper", tmp_path), "final", trial=0)
    for space, params, words in (
        (paper, start, "ours, best and the paper's configuration (trial 0)"),
        (load("compact").space(), None, "ours, best and initial configuration (trial 0)"),
        (None, start, "ours, best configuration (trial 0)"),
    ):
        params = params or space.initial_configurations[0]  # type: ignore[union-attr]
        for title, said in (("best", words), ("trial 0", words.replace("best and the ", ""))):
            fit = metrics.model_copy(update={"parameters": dict(params), "title": title})
            expected = said.replace("best and ", "") if title != "best" else said
            if space is None and title != "best":
                expected = "ours, another configuration (trial 0)"
            assert label(fit, space) == expected


def test_an_ensemble_follows_its_fit(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    fake_fit(location, "final", trial=3, ensemble=True)
    fake_fit(location, "final-trial-0", trial=0)
    fits = find_fits(location)
    shown = with_ensembles(fits)
    assert [one.label for one in shown] == [
        "ours, best configuration (trial 3)",
        "ours, best configuration (trial 3), ensemble of 3",
        "ours, another configuration (trial 0)",
    ]
    net, ensemble, _ = (one.find("official_runs") for one in shown)
    assert net is not None
    assert ensemble is not None
    assert (net.fits, ensemble.fits, ensemble.system) == ("3 seeds", "1 ensemble", ENSEMBLE)
    assert ensemble.mean > net.mean
    assert shown[1].find("n_way", 5) == fits[0].metrics.find("n_way", ENSEMBLE, 5)


def test_a_folder_is_complete_for_its_own_fit_alone(tmp_path: Path) -> None:
    metrics = fake_fit(StudyLocation("smoke", tmp_path), "final", trial=3)
    folder = tmp_path / "smoke" / "final"
    assert complete(folder, "abc") is None
    save_net(folder, SavedNet(net=SiameseNet(TINY), provenance={"fit": "abc"}))
    assert complete(folder, "abc") == metrics
    assert complete(folder, "other") is None
    (folder / METRICS).unlink()
    assert complete(folder, "abc") is None


def test_a_folder_is_complete_with_all_of_its_ensemble(tmp_path: Path) -> None:
    metrics = fake_fit(StudyLocation("smoke", tmp_path), "final", trial=3, ensemble=True)
    folder = tmp_path / "smoke" / "final"
    net = SiameseNet(TINY)
    save_net(folder, SavedNet(net=net, provenance={"fit": "abc"}))
    assert complete(folder, "abc") is None
    for fit in ("other", "abc"):
        ensemble = Ensemble([net], [IDENTITY])
        saved = SavedEnsemble(
            net=ensemble, seeds=(0,), calibration=IDENTITY, provenance={"fit": fit}
        )
        save_ensemble(folder, saved)
        assert complete(folder, "abc") == (metrics if fit == "abc" else None)
    (folder / FILE).write_text("{")
    assert complete(folder, "abc") is None


def test_what_is_replaced_is_named(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    folder = location.folder / "final"
    assert replaced(folder, None) == ""
    plain = fake_fit(location, "final", trial=3)
    assert "holds a damaged fit, of trial 3 with 3 seeds: " in replaced(folder, None)
    save_net(folder, SavedNet(net=SiameseNet(TINY), provenance={"fit": "abc"}))
    assert "holds another fit, of trial 3 with 3 seeds. It is" in replaced(folder, None)
    same = replaced(folder, plain)
    assert "this fit without an ensemble" in same
    assert "only that of seed 11 was kept, so all 3 seeds are trained again" in same
    (folder / METRICS).write_text("{}")
    assert "metrics.json is damaged or of another version" in replaced(folder, None)
    (folder / METRICS).unlink()
    assert replaced(folder, None) == ""
    fake_fit(location, "final-trial-3", trial=3, ensemble=True)
    said = replaced(location.folder / "final-trial-3", None)
    assert "damaged fit, of trial 3 with 3 seeds and their ensemble of 3: " in said
