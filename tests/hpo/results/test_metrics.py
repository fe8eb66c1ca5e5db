from pathlib import Path

import pytest

from hpo.results.metrics import METRICS, Metrics, figure, load_metrics
from hpo.study.errors import StudyError
from model.evaluation.intervals import interval
from tests import ROOT


def test_one_seed_has_wilsons_interval() -> None:
    # Newcombe (1998), table I: 81 of 263.
    mean, low, high = interval([81 / 263], 263)
    assert mean == pytest.approx(81 / 263)
    assert (low, high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


def test_seeds_widen_the_interval_and_never_narrow_it() -> None:
    _, low, high = interval([0.9], 400)
    assert interval([0.9] * 5, 400) == (pytest.approx(0.9), pytest.approx(low), pytest.approx(high))
    _, spread_low, spread_high = interval([0.85, 0.9, 0.95], 400)
    # Student's half-width over three seeds alone: 4.303 * 0.05 / sqrt(3).
    assert 0.9 - spread_low > 0.1242
    assert spread_low < low < high < spread_high


@pytest.mark.parametrize("values", [[0.0], [1.0], [0.0, 1.0], [1.0] * 3])
def test_intervals_hold_the_mean_and_stay_in_range(values: list[float]) -> None:
    mean, low, high = interval(values, 20)
    assert 0 <= low <= mean <= high <= 1
    assert low < high


def test_a_figure_says_what_it_rests_on() -> None:
    shown = figure(
        [0.5, 0.5], trials=4000, protocol="n_way", system="net", title="", way=2, chance=0.5
    ).shown()
    assert "50.0 % [48.5, 51.5] 4,000 x 2 seeds" in shown


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b"\xff\x00"])
def test_metrics_that_cannot_be_read_are_one_message(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / METRICS).write_bytes(content)
    with pytest.raises(StudyError, match="fit"):
        load_metrics(tmp_path)


def test_metrics_of_earlier_versions_are_read() -> None:
    """The committed results, most of them from before similarities were calibrated."""
    files = sorted((ROOT / "studies/results").glob("*/metrics*.json"))
    assert len(files) > 5
    thresholds = []
    for file in files:
        for seed in Metrics.model_validate_json(file.read_bytes()).seeds:
            if seed.calibration is None:
                assert seed.false_accept is None
                thresholds.append(seed.verification_threshold)
    assert 1.0 in thresholds
    assert min(thresholds) < 0.3
