from pathlib import Path

import pytest

from hpo.results.plots.slices import grid, one_by_one, parallel
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import TrialRecord, ranked, records
from tests.hpo.report_support import fake_study


@pytest.fixture
def trials(tmp_path: Path) -> list[TrialRecord]:
    study = fake_study(StudyLocation("smoke", tmp_path), "CPCC", base="smoke")
    return [record for record in records(study) if record.accuracy is not None]


def test_a_grid_has_a_row_per_kind_and_a_column_per_layer(trials: list[TrialRecord]) -> None:
    figure = grid(trials, [("learning_rate",), ("filters", "units")], ["conv1", "fc"])
    shown = [(ax.get_title(), ax.get_xlabel()) for ax in figure.axes[:4]]
    assert shown == [
        ("conv1", "learning rate"),
        ("fc", "learning rate"),
        ("", "filters"),
        ("", "units"),
    ]
    assert len(figure.axes[0].collections[0].get_offsets()) == len(trials)  # type: ignore[arg-type]


def test_parameters_are_shown_one_by_one(trials: list[TrialRecord]) -> None:
    names = sorted(trials[0].params)[:5]
    figure = one_by_one(trials, names)
    assert [ax.get_xlabel() for ax in figure.axes[:5]] == names


def test_the_best_configuration_is_named(trials: list[TrialRecord]) -> None:
    names = sorted(trials[0].params)[:4]
    figure = parallel(trials, names)
    (legend,) = figure.legends
    assert legend.get_texts()[0].get_text() == f"best, trial {ranked(trials)[0].number}"
    heights = [y for line in figure.axes[0].lines[: len(trials)] for y in line.get_ydata()]  # type: ignore[union-attr]
    assert all(0 <= height <= 1 for height in heights)
