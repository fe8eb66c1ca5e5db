import json
from pathlib import Path

import pytest

from hpo.results.metrics import METRICS, Metrics, load_metrics
from hpo.study.errors import StudyError
from hpo.study.storage.location import StudyLocation
from tests import ROOT
from tests.hpo.report_support import fake_fit


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b"\xff\x00"])
def test_metrics_that_cannot_be_read_are_one_message(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / METRICS).write_bytes(content)
    with pytest.raises(StudyError, match="fit"):
        load_metrics(tmp_path)


@pytest.mark.parametrize(
    "edit",
    [
        {"minutes": float("nan")},
        {"data": {"name": "omniglot"}},
        {"kept_seed": "x"},
        {"kept_seed": 12345},
        {"trial": -1},
        {"parameters": {"fc.units": [8]}},
        {"parameters": {"fc.units": "many"}},
        {"parameters": {"conv1.l2": -1}},
    ],
)
def test_edited_metrics_are_one_message(tmp_path: Path, edit: dict[str, object]) -> None:
    file = sorted((ROOT / "studies/results").glob("*/metrics*.json"))[0]
    (tmp_path / METRICS).write_text(json.dumps(json.loads(file.read_text()) | edit))
    with pytest.raises(StudyError, match=f"damaged .*{next(iter(edit))}"):
        load_metrics(tmp_path)


@pytest.mark.parametrize(
    "edit",
    [
        {"mean": float("nan")},
        {"low": float("inf")},
        {"high": 1.5},
        {"chance": -1},
        {"values": []},
        {"values": [True]},
        {"trials": -400},
        {"way": True},
    ],
)
def test_edited_accuracies_are_one_message(tmp_path: Path, edit: dict[str, object]) -> None:
    file = sorted((ROOT / "studies/results").glob("*/metrics*.json"))[0]
    metrics = json.loads(file.read_text())
    metrics["figures"][0] |= edit
    (tmp_path / METRICS).write_text(json.dumps(metrics))
    with pytest.raises(StudyError, match=rf"damaged .*figures\.0\.{next(iter(edit))}"):
        load_metrics(tmp_path)


def test_an_edited_history_is_one_message(tmp_path: Path) -> None:
    file = sorted((ROOT / "studies/results").glob("*/metrics*.json"))[0]
    metrics = json.loads(file.read_text())
    metrics["seeds"][0]["history"][0]["loss"] = ["x"]
    (tmp_path / METRICS).write_text(json.dumps(metrics))
    with pytest.raises(StudyError, match=r"damaged .*seeds\.0\.history\.0\.loss"):
        load_metrics(tmp_path)


def test_metrics_of_earlier_versions_are_read() -> None:
    """The committed results, most of them from before similarities were calibrated."""
    files = sorted((ROOT / "studies/results").glob("*/metrics*.json"))
    assert len(files) > 5
    thresholds = []
    for file in files:
        metrics = Metrics.model_validate_json(file.read_bytes(), strict=True)
        for figure in metrics.figures:
            # Before answers were kept, all intervals were over trials.
            assert figure.interval == "alphabets" or figure.narrow()[:2] == pytest.approx(
                (figure.low, figure.high)
            )
        for seed in metrics.seeds:
            if seed.calibration is None:
                assert seed.false_accept is None
                thresholds.append(seed.verification_threshold)
    assert 1.0 in thresholds
    assert min(thresholds) < 0.3


def test_a_fit_without_an_ensemble_is_written_as_before_there_were_any(tmp_path: Path) -> None:
    """Earlier versions refuse a key that they do not know."""
    metrics = fake_fit(StudyLocation("smoke", tmp_path), "final", trial=3)
    written = json.loads((tmp_path / "smoke/final" / METRICS).read_text())
    assert written.keys() == metrics.model_dump().keys() - {"ensemble"}


def test_an_ensemble_is_kept(tmp_path: Path) -> None:
    metrics = fake_fit(StudyLocation("smoke", tmp_path), "final", trial=3, ensemble=True)
    assert metrics.ensemble is not None
    assert metrics.ensemble.title == "ensemble of 3"
    folder = tmp_path / "smoke" / "final"
    assert load_metrics(folder) == metrics
    raw = json.loads((folder / METRICS).read_text())
    raw["ensemble"]["seeds"] = [11]
    (folder / METRICS).write_text(json.dumps(raw))
    with pytest.raises(StudyError, match=r"damaged .*ensemble\.seeds"):
        load_metrics(folder)
