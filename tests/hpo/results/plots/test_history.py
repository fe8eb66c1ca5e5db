from collections.abc import Sequence
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from hpo.results.costs import CostedTrial, costed_trials
from hpo.results.history import Curve
from hpo.results.plots.history import best_so_far, cost, importances, outcomes, unit
from hpo.study.storage.location import StudyLocation
from tests.hpo.report_support import fake_study


@pytest.fixture
def trials(tmp_path: Path) -> list[CostedTrial]:
    return costed_trials(fake_study(StudyLocation("smoke", tmp_path), "CPCFDRQ", base="smoke"))


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def line(*best: float, flops: Sequence[float] = ()) -> Curve:
    count = range(1, len(best) + 1)
    return Curve(tuple(count), tuple(60.0 * i for i in count), tuple(flops), best)


def test_the_best_so_far_is_a_line_per_group_and_dots_for_trials(
    trials: list[CostedTrial],
) -> None:
    groups = {"a": [line(0.1, 0.3), line(0.2, 0.2, 0.2)], "b": [line(0.4)]}
    figure = best_so_far(groups, trials)
    assert labels(figure) == ["a", "b", "complete trial", "paused trial", "pruned trial"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["finished trials", "time of all trials, min"]
    # Two studies of one group have a band.
    assert len(figure.axes[0].collections) == 1


def test_operations_are_an_axis_where_they_are_known() -> None:
    figure = best_so_far({"a": [line(0.1, 0.3, flops=(1e12, 3e12))]})
    assert figure.axes[-1].get_xlabel() == "training, TFLOP"


def test_importances_are_bars_the_first_at_the_top() -> None:
    (ax,) = importances({"fc.units": 0.7, "fc.l2": 0.3}).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["fc.l2", "fc.units"]
    assert [bar.get_width() for bar in ax.patches] == [0.3, 0.7]  # type: ignore[attr-defined]


def test_trials_are_shown_by_their_outcome(trials: list[CostedTrial]) -> None:
    figure = outcomes(trials)
    assert labels(figure) == [
        "complete (2)",
        "paused (1)",
        "pruned (1)",
        "failed or interrupted (2)",
        "running (1)",
    ]


def test_accuracy_is_shown_against_each_cost(trials: list[CostedTrial]) -> None:
    figure = cost([trial for trial in trials if trial.accuracy is not None])
    assert [ax.get_xlabel() for ax in figure.axes] == [
        "parameters",
        "training FLOP per pair",
        "seconds",
    ]
    assert set(labels(figure)) == {
        "complete trial",
        "paused trial",
        "pruned trial",
        "best at this cost or lower",
    }


def test_a_unit_is_the_largest_with_at_least_two() -> None:
    units = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))
    assert [unit(seconds, units)[1] for seconds in (7200, 7199, 119, 0.5)] == ["h", "min", "s", "s"]
