from pathlib import Path

import pytest

from hpo.reporting.document import Strong
from hpo.reporting.tables import (
    between,
    error_rates,
    errors,
    in_words,
    mnist,
    one_shot,
    percent,
    verification,
    within_alphabets,
)
from hpo.results import published
from hpo.results.accuracy import ENSEMBLE, NET, Accuracy
from hpo.results.fits import SavedFit, find_fits
from hpo.study.storage.location import StudyLocation
from model.baselines import BASELINES
from tests.hpo.report_support import fake_fit
from tests.hpo.reporting.support import cells


@pytest.fixture
def fits(tmp_path: Path) -> list[SavedFit]:
    """Two final fits: of the best configuration, trial 7, and of the paper's, an old one."""
    location = StudyLocation("smoke", tmp_path)
    fake_fit(location, "final", trial=7)
    fake_fit(location, "final-trial-0", trial=0, level=0.6, old=True)
    return find_fits(location)


def test_published_results_are_exact_with_and_without_a_fit(fits: list[SavedFit]) -> None:
    for of in (fits, []):
        for pairs, plain, distorted in (
            ("30k", "90.61 %", "91.90 %"),
            ("90k", "91.54 %", "93.15 %"),
            ("150k", "91.63 %", "93.42 %"),
        ):
            table = verification(of, {})
            assert "Koch, Zemel and Salakhutdinov (2015)" in table.caption
            for how, accuracy in (("undistorted", plain), ("distorted", distorted)):
                (row,) = cells([table], f"Koch's net, {pairs} pairs, {how}")
                assert row[1:] == ((accuracy, "", "published") if of else (accuracy,))
        (row,) = cells([one_shot(of)], "Koch's net")
        assert row[1] == "92.0 %"
        for name, accuracy in published.ONE_SHOT:
            assert cells([one_shot(of)], name, f"{accuracy} %")
        assert cells([mnist(of)], "Koch's net", "70.3 %")
        assert cells([mnist(of)], "1-NN", "26.5 %")
        for name, error in (*published.ERRORS, *published.ERRORS_SMALL):
            assert cells(errors(of), name, f"{error} %")
        assert "small1, small2 or both, is not known" in errors(of)[1].caption
        for way, accuracy in ((2, 97.4), (5, 88.6), (10, 83.7), (15, 77.2), (20, 70.8)):
            name = "open reimplementation of Koch's net"
            (row,) = cells([within_alphabets(of)], name, f"{way} (really {way + 1})")
            assert row[2] == f"{accuracy} %"


def test_our_accuracies_are_those_of_the_fit_with_their_evidence(fits: list[SavedFit]) -> None:
    labels = ["ours, best configuration (trial 7)", "ours, another configuration (trial 0)"]
    assert [fit.label for fit in fits] == labels
    for fit in fits:
        for protocol, table in (("official_runs", one_shot(fits)), ("mnist", mnist(fits))):
            found = fit.metrics.find(protocol)  # type: ignore[arg-type]
            assert found is not None
            cell = f"{100 * found.mean:.1f} %"
            span = f"{100 * found.low:.1f} to {100 * found.high:.1f} %"
            over = "alphabets in general" if fit is fits[0] else "these alphabets"
            over = "these ten digits" if protocol == "mnist" else over
            said = "400 trials, 3 seeds"
            mixed = table.caption.count("ntervals over") == table.caption.count(" or these")
            (row,) = cells([table], fit.label)
            assert row == (fit.label, cell, span, f"{said}, over {over}" if mixed else said)
            assert over in table.caption
            assert isinstance(row[0], Strong)
        for way in fit.metrics.ways():
            found = fit.metrics.find("n_way", way=way)
            assert found is not None
            (row,) = cells([within_alphabets(fits)], fit.label, str(way))
            assert row[2] == f"{100 * found.mean:.1f} %"


def test_every_baseline_is_a_row_of_every_table(fits: list[SavedFit]) -> None:
    for baseline in BASELINES.values():
        for table in (one_shot(fits), mnist(fits), verification(fits, {})):
            (row,) = cells([table], baseline.title)
            assert "trials, measured here" in row[-1]
        ways = [row[1] for row in cells([within_alphabets(fits)], baseline.title)]
        assert ways == ["2", "5", "10", "15", "20"]


def test_an_ensemble_is_a_row_of_every_table(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    fake_fit(location, "final", trial=7, ensemble=True)
    fake_fit(location, "final-trial-0", trial=0)
    fits = find_fits(location)
    name = f"{fits[0].label}, ensemble of 3"
    for protocol, table in (("official_runs", one_shot(fits)), ("mnist", mnist(fits))):
        found = fits[0].metrics.find(protocol, ENSEMBLE)  # type: ignore[arg-type]
        assert found is not None
        (row,) = cells([table], name)
        assert row[1:3] == (percent(found.mean), between(found.low, found.high))
        assert row[3].startswith("400 trials, 1 ensemble")
        assert len(cells([table], fits[0].label)) == len(cells([table], fits[1].label)) == 1
    said = f"{name}, 51,200 pairs each, distorted with strength 1"
    assert len(cells([verification(fits, {})], said)) == 1
    assert [row[1] for row in cells([within_alphabets(fits)], name)] == ["2", "5", "10", "15", "20"]
    assert [len(cells([table], name)) for table in errors(fits)] == [1, 0]
    rates = cells([error_rates(fits)], fits[0].label)
    assert rates[-1] == (fits[0].label, "ensemble of 3", "1.2 %", "3.8 %")


def test_errors_are_sorted_and_a_fit_is_listed_with_its_background_set(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    fake_fit(location, "final", trial=1)
    fake_fit(location, "final-small1", trial=1, level=0.6, data="omniglot-small1")
    many, few = errors(find_fits(location))
    assert "all 30" in many.caption
    assert "five" in few.caption
    of_many, of_few = ({row[0] for row in table.rows if "ours" in row[0]} for table in (many, few))
    assert of_many == {"ours, best configuration (trial 1)"}
    assert of_few == {"ours, best configuration (trial 1, trained on small1)"}
    for table in (many, few):
        numbers = [float(row[1].split()[0]) for row in table.rows]
        assert numbers == sorted(numbers)


def test_ours_are_sorted_in_among_the_others(fits: list[SavedFit]) -> None:
    for table in (one_shot(fits), mnist(fits), verification(fits, {})):
        numbers = [float(row[1].split()[0]) for row in table.rows]
        assert numbers == sorted(numbers, reverse=True)
    of_n = [
        (int(row[1].split()[0]), -float(row[2].split()[0])) for row in within_alphabets(fits).rows
    ]
    assert of_n == sorted(of_n)


def test_error_rates_at_the_threshold_are_listed_by_seed(fits: list[SavedFit]) -> None:
    rows = cells([error_rates(fits)], fits[0].label)
    assert rows == [(fits[0].label, seed, "4.2 %", "6.8 %") for seed in ("11", "12", "13")]
    assert not error_rates([]).rows


def test_the_strength_of_distortions_is_searched_fixed_or_the_default(
    fits: list[SavedFit],
) -> None:
    def how(config: dict[str, object]) -> str:
        (said,) = (row[0] for row in verification(fits[:1], config).rows if fits[0].label in row[0])
        return said.removeprefix(f"{fits[0].label}, ")

    assert how({"parameters.recipe.distortion": {"value": 0.0}}) == "51,200 pairs, undistorted"
    assert "strength 0.5" in how({"parameters.recipe.distortion": {"value": 0.5}})
    assert how({}) == "51,200 pairs, distorted with strength 1"


def test_numbers_have_their_units_and_evidence() -> None:
    assert percent(0.925) == "92.5 %"
    assert between(0.9, 0.95) == "90.0 to 95.0 %"
    which = {"protocol": "n_way", "title": "", "way": 5, "chance": 0.2}
    net = Accuracy.of([0.5, 0.7], trials=1000, system=NET, **which)
    assert in_words(net).startswith("60.0 % (95 % interval ")
    assert in_words(net).endswith(" over these alphabets; 1,000 trials, 2 seeds)")
    wide = {"interval": "alphabets", "alphabets": 10, "characters": 200, "low": 0.4, "high": 0.8}
    net = Accuracy.of([0.6], trials=1000, system=NET, **which, **wide)
    assert in_words(net) == (
        "60.0 % (95 % interval 40.0 to 80.0 % over alphabets in general, 56.9 to 63.0 % over "
        "these 10 alphabets; 1,000 trials of 200 characters, 1 seed)"
    )
