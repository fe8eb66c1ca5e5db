"""A row added to `BASELINES` appears wherever the baselines do."""

from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

import hpo.fits.held_out
import model.baselines
from data.batches.one_shot import OneShotTrials, generate
from data.dataset import Dataset
from data.errors import DataUnavailable
from hpo.fits.final import FitPlan, final_fit
from hpo.reporting.accuracy import accuracy, published_results
from hpo.results.fits import find_fits
from hpo.search.workers.worker import Job, work
from model.baselines import BASELINES, Baseline
from tests.hpo.reporting.support import KeptPictures, cells
from tests.hpo.support import tiny_dataset


def guess(trials: OneShotTrials) -> torch.Tensor:
    return torch.zeros(len(trials), trials.way)


def test_a_new_baseline_is_seen_everywhere(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_mnist(root: object) -> None:
        raise DataUnavailable("there is no MNIST here")

    monkeypatch.setattr(hpo.fits.held_out, "load", lambda **_: tiny_dataset())
    monkeypatch.setattr(hpo.fits.held_out, "load_mnist", no_mnist)
    monkeypatch.setitem(BASELINES, "guess", Baseline(title="random guess", scores=guess))

    work(replace(job, total=1))
    metrics = final_fit(job.run, FitPlan(trial=0, seeds=1))
    found = [one for one in metrics.figures if one.system == "guess"]
    assert [(one.way, one.alphabet) for one in found] == [(2, None), (2, "f"), (5, None), (5, "f")]
    assert all(one.mean == pytest.approx(one.chance) for one in found)
    assert "random guess" in capsys.readouterr().out

    fits, pictures = find_fits(job.run.location), KeptPictures()
    blocks = accuracy(fits, pictures)
    assert [row[1] for row in cells(blocks, "random guess")] == ["2", "5"]
    for plot in ("n-way", "alphabets"):
        assert "random guess" in pictures.legend(plot)
    assert not cells(published_results(fits, {}, metrics.data), "random guess")


def test_a_new_baseline_is_printed_by_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(*_: object) -> Dataset:
        dataset = tiny_dataset()
        runs = generate(dataset.drawings, way=4, trials=8, variant="all_drawers", seed=0)
        return replace(dataset, official_runs=runs)

    monkeypatch.setattr(model.baselines, "load", load)
    monkeypatch.setitem(BASELINES, "guess", Baseline(title="random guess", scores=guess))
    done = CliRunner().invoke(model.baselines.app, [])
    assert done.exit_code == 0, done.output
    (line,) = (row for row in done.output.splitlines() if "random guess" in row)
    assert "25.00% correct" in line
