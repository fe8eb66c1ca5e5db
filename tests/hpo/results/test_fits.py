import logging
from pathlib import Path

import pytest

from hpo.results.fits import find_fits, fixed_or, kind, label, n_way, of_alphabets
from hpo.results.metrics import save_metrics
from hpo.study.files import load
from hpo.study.storage.location import StudyLocation
from tests.hpo.report_support import ALPHABETS, fake_fit


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
    for name in ("compact", "smoke", "beyond", "beyond-70", "beyond-105", "beyond-unaided"):
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
