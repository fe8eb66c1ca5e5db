from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpo.reporting.document import Heading, Strong, Text, Verdict, write
from hpo.reporting.winner import (
    best_start,
    initial_trial,
    race_section,
    whole,
    winner_section,
    winning_trial,
)
from hpo.results.fits import SavedFit, find_fits
from hpo.results.metrics import Candidate
from hpo.study.files import load, starts
from hpo.study.space.search_space import SearchSpace
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import TrialRecord, ranked, records
from tests.hpo.report_support import fake_fit, fake_study
from tests.hpo.reporting.support import cells, prose
from tests.hpo.support import distributions


def trial(space: SearchSpace, params: dict, number: int, accuracy: float) -> TrialRecord:
    names = distributions(space)
    made = create_trial(
        state=TrialState.COMPLETE,
        value=accuracy,
        params=params,
        distributions={name: names[name] for name in params},
    )
    made.number = number
    return TrialRecord.of(made)


def test_the_winner_stands_beside_the_initial_configuration() -> None:
    space = load("smoke").space()
    (start,) = space.initial_configurations
    trials = [trial(space, dict(start), 0, 0.5)]
    changed = {**start, "conv2.filters": 16, "fc.learning_rate": 0.00042}
    trials.append(trial(space, changed, 1, 0.6))
    blocks = winner_section(trials[1], trials, space)
    said = prose(blocks)
    assert "The winner: trial 1\n60.0 % of its validation trials" in said
    assert "other than in the initial configuration (trial 0, 50.0 %)" in said
    rows = cells(blocks)
    assert rows[1] == ("conv2", "16", "4", "0.01", "0.9", "1.0e-5")
    assert rows[4] == ("fc", "128", "", "4.2e-4", "0.9", "1.0e-5")
    strong = {
        (row[0], cell, cell.aside) for row in rows for cell in row if isinstance(cell, Strong)
    }
    assert strong == {("conv2", "16", "(8)"), ("fc", "4.2e-4", "(0.01)")}
    # What the study fixes is part of the configuration.
    assert ("initialisation", "kaiming") in rows
    assert ("image, px", "35") in rows


def test_a_winner_that_is_the_initial_configuration_says_so() -> None:
    for name, words in (("smoke", "the initial configuration"), ("paper", "the paper's config")):
        space = load(name).space()
        trials = [trial(space, dict(space.initial_configurations[0]), 0, 0.5)]
        blocks = winner_section(trials[0], trials, space)
        assert f"It is {words}" in prose(blocks)
        assert not any(isinstance(cell, Strong) for row in cells(blocks) for cell in row)


def test_of_several_starts_the_nearest_is_shown() -> None:
    space = load("beyond").space()
    trials = [
        trial(space, dict(start), number, 0.3 + 0.1 * number)
        for number, start in enumerate(space.initial_configurations)
    ]
    winner = trial(space, {**trials[2].params, "recipe.way": 30}, 3, 0.7)
    assert initial_trial([*trials, winner], space, winner) == trials[2]
    assert initial_trial(trials, space) == trials[0]
    assert initial_trial([winner], space) is None
    assert initial_trial(trials, None) is None
    # Episodes are conditional: the paper's recipe has none.
    blocks = winner_section(trials[0], trials, space)
    assert "It is an initial configuration" in prose(blocks)
    assert cells(blocks, "batch", "pairs")
    assert not cells(blocks, "way")
    assert cells(winner_section(winner, trials, space), "way", "30")


def test_a_long_recipe_is_seen_at_once(tmp_path: Path, browser: Any) -> None:
    space = load("beyond").space()
    starts = [dict(start) for start in space.initial_configurations]
    trials = [trial(space, start, number, 0.5) for number, start in enumerate(starts)]
    winner = trial(space, {**starts[2], "recipe.way": 30, "conv1.l2": 0.0123456}, 3, 0.7)
    top = [
        Heading(1, "Study x"),
        Text("It is new. " * 12),
        Verdict("98 % right", ["So. " * 30] * 2),
    ]
    write([*top, *winner_section(winner, trials, space)], tmp_path)
    device = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    browser.get((tmp_path / "report.html").as_uri())
    end = "return document.querySelector('body > div').getBoundingClientRect().bottom"
    assert 500 < browser.execute_script(end) < 900


def test_what_only_another_program_knows_is_not_in_the_start_to_paste(tmp_path: Path) -> None:
    space = load("smoke").space()
    params = {"fc.units": 32, 'an "odd"\nname': 'a "value"', "recipe.batch": "none of ours"}
    kinds = {
        "fc.units": IntDistribution(8, 64),
        **{n: CategoricalDistribution([v]) for n, v in params.items() if isinstance(v, str)},
    }
    made = create_trial(state=TrialState.COMPLETE, value=0.9, params=params, distributions=kinds)
    text = best_start(TrialRecord.of(made), space, "smoke")
    (tmp_path / "best.toml").write_text(text)
    (start,) = starts(tmp_path / "best.toml")
    assert (start["fc.units"], start["net.poolings"], start["recipe.batch"]) == (32, 2, "pairs")
    alone = TrialRecord.of(
        create_trial(value=0.9, params={"x": 1}, distributions={"x": IntDistribution(0, 1)})
    )
    assert best_start(alone, space, "smoke") == best_start(None, space, "smoke") == ""


def test_a_layer_that_the_net_lacks_is_not_listed() -> None:
    space = load("beyond").space()
    values = whole(space.initial_configurations[0], space)
    assert "conv4.momentum" in values  # fixed by the study
    assert "conv5.momentum" not in values


def test_without_initial_configurations_the_first_trial_stands_beside(tmp_path: Path) -> None:
    trials = records(fake_study(StudyLocation("smoke", tmp_path), "CCC", base="smoke"))
    best = ranked(trials)[0]
    said = prose(winner_section(best, trials, None))
    assert "It is the first trial" in said if best.number == 0 else "in the first trial (" in said
    assert winner_section(None, trials, None) == []


def test_the_winner_is_the_trial_that_the_final_fit_chose(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    trials = records(fake_study(location, "CCC", base="smoke"))
    assert winning_trial(trials, []) == ranked(trials)[0]
    assert winning_trial([], []) is None
    chosen = ranked(trials)[1].number
    fake_fit(location, "final", trial=chosen)
    winner = winning_trial(trials, find_fits(location))
    assert winner == trials[chosen]
    said = prose(winner_section(winner, trials, None))
    assert f"chose it over trial {ranked(trials)[0].number}, the best of the search" in said
    assert "chose it over" not in prose(winner_section(ranked(trials)[0], trials, None))


def test_the_race_is_shown_with_the_chosen_trial_first(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    fake_study(location, "CCC", base="smoke")
    fake_fit(location, "final", trial=2)
    (fit,) = find_fits(location)
    assert race_section([replace_selection(fit, [])]) == []
    raced = [candidate(2, 0, 0.8), candidate(0, 0, 0.7), candidate(2, 1, 0.6), candidate(1, 1, 0.5)]
    (fold,) = race_section([replace_selection(fit, raced)])
    rows = cells([fold])
    assert ("2", "2", "3,000", "80.0 % [75.0 to 85.0 %]", "90.0 %") in rows
    assert ("1", "1", "1,000", "50.0 % [45.0 to 55.0 %]", "90.0 %") in rows


def candidate(trial: int, later: int, mean: float) -> Candidate:
    return Candidate(
        trial=trial,
        search_value=0.9,
        scores=[mean],
        trials=4000,
        pairs_seen=3000 // 3**later,
        later=later,
        mean=mean,
        low=mean - 0.05,
        high=mean + 0.05,
    )


def replace_selection(fit: SavedFit, selection: list[Candidate]) -> SavedFit:
    metrics = fit.metrics.model_copy(update={"selection": selection})
    return replace(fit, metrics=metrics)
