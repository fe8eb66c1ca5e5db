from pathlib import Path

import pytest
import torch
from scipy.spatial.distance import cdist
from typer.testing import CliRunner

from data.batches.one_shot import generate
from data.errors import DataUnavailable
from model.baselines import (
    BASELINES,
    app,
    modified_hausdorff_scores,
    nearest_neighbour_scores,
)
from tests.synthetic import synthetic

TRIALS = generate(
    synthetic((6, 5), drawers=4, size=20), way=4, trials=30, variant="all_drawers", seed=0
)


def test_the_published_figures_come_out_exactly(
    omniglot_root: Path,
) -> None:
    """21.75 % correct and 38.75 % wrong, or loader or scorer is wrong."""
    done = CliRunner().invoke(app, ["--data-root", str(omniglot_root)])
    assert done.exit_code == 0
    assert "21.75% correct" in done.stdout
    assert "38.75% wrong" in done.stdout


def test_nearest_neighbour_is_the_cosine_of_the_ink() -> None:
    scores = nearest_neighbour_scores(TRIALS)
    images = TRIALS.drawings.images().flatten(1).double()
    for trial in range(5):
        query = images[TRIALS.query[trial]]
        for place in range(4):
            other = images[TRIALS.support[trial, place]]
            cosine = query @ other / query.norm() / other.norm()
            assert float(scores[trial, place]) == pytest.approx(float(cosine))


def test_modified_hausdorff_by_hand() -> None:
    scores = modified_hausdorff_scores(TRIALS)
    for trial in range(5):
        for place in range(4):
            a, b = (
                (TRIALS.drawings.ink[i] > 127).nonzero().double()
                for i in (TRIALS.query[trial], TRIALS.support[trial, place])
            )
            distances = cdist(a - a.mean(0), b - b.mean(0))
            expected = max(distances.min(1).mean(), distances.min(0).mean())
            assert float(scores[trial, place]) == pytest.approx(-expected)


@pytest.mark.parametrize("name", BASELINES)
def test_blank_and_identical_drawings(name: str) -> None:
    drawings = synthetic((3,), drawers=3, size=8)
    drawings.ink[::2] = 0
    drawings.ink[1::2] = drawings.ink[1].clone()
    trials = generate(drawings, way=3, trials=9, variant="all_drawers", seed=0)
    scores = BASELINES[name].scores(trials)
    assert scores.shape == (9, 3)
    assert scores.isfinite().all()


def test_scores_do_not_know_the_answer() -> None:
    for baseline in BASELINES.values():
        turned = type(TRIALS)(
            TRIALS.drawings, TRIALS.query, TRIALS.support.flip(1), 3 - TRIALS.answer
        )
        assert torch.allclose(baseline.scores(turned), baseline.scores(TRIALS).flip(1))


@pytest.mark.parametrize(
    "error",
    [DataUnavailable("nothing here; put it there"), PermissionError(13, "not allowed", "data")],
)
def test_missing_data_is_one_message(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import model.baselines

    def load(*_: object) -> None:
        raise error

    monkeypatch.setattr(model.baselines, "load", load)
    done = CliRunner().invoke(app, ["--data-root", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr == f"error: {error}\n"
