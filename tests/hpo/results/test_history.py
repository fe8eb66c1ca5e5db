import math
from pathlib import Path

import pytest

from hpo.results.costs import costed_trials
from hpo.results.history import Curve, at, band, curve
from hpo.study.record import best_trials
from hpo.study.storage.location import StudyLocation
from tests.hpo.report_support import fake_study


def test_a_curve_has_a_point_for_each_finished_trial(tmp_path: Path) -> None:
    trials = costed_trials(fake_study(StudyLocation("smoke", tmp_path), "PCFCD", base="smoke"))
    line = curve(trials)
    assert line is not None
    assert line.trials == (1, 2, 3)
    # A pruned trial is never the best, a failed one's time counts all the same.
    assert math.isnan(line.best[0])
    best = [trials[1].accuracy or 0, max(trials[1].accuracy or 0, trials[3].accuracy or 0)]
    assert list(line.best[1:]) == best
    assert line.seconds[-1] == pytest.approx(sum(trial.seconds for trial in trials))
    assert line.flops[-1] == pytest.approx(sum(trial.flops or 0 for trial in trials))


def test_without_a_complete_trial_there_is_no_curve(tmp_path: Path) -> None:
    trials = costed_trials(fake_study(StudyLocation("smoke", tmp_path), "PFD", base="smoke"))
    assert curve(trials) is None


def test_without_a_complete_trial_the_best_is_of_the_highest_rung(tmp_path: Path) -> None:
    study = fake_study(StudyLocation("smoke", tmp_path), "QQQQP", base="smoke")
    trials = costed_trials(study)
    assert [trial.epochs for trial in trials[:4]] == [1, 2, 1, 2]
    line = curve(trials)
    assert line is not None
    assert line.trials == (1, 2, 3, 4, 5)
    assert math.isnan(line.best[0])
    assert line.best[1] == line.best[2] == trials[1].accuracy
    best = best_trials(study)[0].intermediate_values
    assert line.best[3] == line.best[4] == max(best.values())


def test_a_band_ends_where_the_shortest_curve_does() -> None:
    slow = Curve((1, 2, 3), (10, 20, 30), (), (0.1, 0.3, 0.4))
    fast = Curve((1, 2), (5, 15), (), (0.2, 0.2))
    x, mean, low, high = band([(c.seconds, c.best) for c in (slow, fast)])
    assert x.tolist() == [5, 10, 15]
    assert math.isnan(mean[0])
    assert mean[1:] == pytest.approx([0.15, 0.15])
    assert (low[2], high[2]) == (0.1, 0.2)
    assert at(slow.seconds, slow.best, 29) == 0.3
    assert math.isnan(at(slow.seconds, slow.best, 9))
