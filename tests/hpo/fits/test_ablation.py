import itertools
import json
from dataclasses import replace

import pytest

from hpo.fits.ablation import GROUPS, AblationPlan, ablation, one_change_at_a_time
from hpo.results.ablation import PICTURE, RESULT, Step
from hpo.search.workers.worker import Job, work
from hpo.study.config import load
from hpo.study.space.catalogue import catalogue
from hpo.study.space.domains import matching


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
    plan = AblationPlan(trial=1, minutes=0.0005, seeds=2)
    steps = ablation(job.run, plan)
    assert [step.change for step in steps] == ["start", "shape", "optimiser and its rates"]
    for step in steps:
        assert step.seeds == [0, 1]
        assert len(step.validation) == len(step.pairs) == 2
        assert {figure.protocol for figure in step.figures} >= {"n_way"}
        assert all(len(figure.values) == 2 for figure in step.figures)
    folder = job.run.location.folder / "ablation-1"
    written = json.loads((folder / RESULT).read_text())
    assert [Step.model_validate(row) for row in written] == steps
    assert (folder / PICTURE).stat().st_size > 5_000

    def no_epoch(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("model.training.trainer.Trainer._epoch", no_epoch)
    assert ablation(job.run, plan) == steps
