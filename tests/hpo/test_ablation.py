import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import hpo.fits.held_out
from hpo.ablation import app
from hpo.fits.ablation import GROUPS, Plan, ablation, one_change_at_a_time
from hpo.results.ablation import PICTURE, RESULT, Step
from hpo.search.workers.worker import Job, work
from hpo.study.config import load
from hpo.study.space.catalogue import catalogue
from hpo.study.space.domains import matching
from tests.hpo.support import tiny_dataset


def test_one_change_at_a_time_from_the_paper_to_the_end() -> None:
    space = load("beyond").space()
    start = space.initial_configurations[0]
    corners = [corner for corner in space.corners() if space.used(corner) != start]
    assert corners
    for end in corners[:: max(1, len(corners) // 40)]:
        steps = one_change_at_a_time(space, start, end)
        assert steps[0] == ("start", start)
        assert steps[-1][1] == space.used(end)
        names = {label: matching(patterns, space.searched) for label, patterns in GROUPS.items()}
        for (_, before), (label, after) in itertools.pairwise(steps):
            space.hyperparameters(after)
            # What both configurations have differs within the one group alone.
            both = before.keys() & after.keys()
            assert {n for n in both if before[n] != after[n]} <= set(names.get(label, [label]))


def test_every_choice_of_the_net_and_the_recipe_has_its_group() -> None:
    grouped = matching([p for patterns in GROUPS.values() for p in patterns], catalogue())
    assert set(catalogue()) - set(grouped) == {"recipe.precision"}


def test_every_step_is_fitted_tested_and_not_done_again(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(replace(job, total=3))
    monkeypatch.setattr(hpo.fits.held_out, "load", lambda **_: tiny_dataset())
    plan = Plan(trial=1, minutes=0.0005, seeds=2)
    steps = ablation(job.config, job.location, plan)
    assert [step.change for step in steps] == ["start", "shape", "optimiser and its rates"]
    for step in steps:
        assert step.seeds == [0, 1]
        assert len(step.validation) == len(step.pairs) == 2
        assert {figure.protocol for figure in step.figures} >= {"n_way"}
        assert all(len(figure.values) == 2 for figure in step.figures)
    folder = job.location.folder / "ablation-1"
    written = json.loads((folder / RESULT).read_text())
    assert [Step.model_validate(row) for row in written] == steps
    assert (folder / PICTURE).stat().st_size > 5_000

    def no_epoch(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("model.training.trainer.Trainer._epoch", no_epoch)
    assert ablation(job.config, job.location, plan) == steps


def test_mistakes_are_one_message(tmp_path: Path) -> None:
    for arguments, code, words in (
        (["--study", "smoke", "--out", str(tmp_path)], 1, "there is no study smoke"),
        (["--study", "smoke", "--minutes", "0"], 2, "--minutes"),
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code, result.output
        assert words in " ".join(result.output.split())
        assert "Traceback" not in result.output
