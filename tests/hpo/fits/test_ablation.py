from dataclasses import replace

import pytest

from hpo.fits.ablation import AblationPlan, ablation
from hpo.results.ablation import PICTURE, RESULT, Ablation
from hpo.search.workers.worker import Job, work
from hpo.study.errors import ConfigError, StudyError
from hpo.study.provenance import versions
from tests.hpo.support import tiny_config


@pytest.mark.parametrize("plan", [{"seeds": 0}, {"minutes": 0}, {"trial": -1}], ids=str)
def test_a_plan_that_cannot_be_is_refused(plan: dict[str, int]) -> None:
    (name,) = plan
    with pytest.raises(ConfigError, match=rf"^{name} = .*: it must be from"):
        AblationPlan(**plan)


def test_every_step_is_fitted_tested_and_not_done_again(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(replace(job, total=3))
    plan = AblationPlan(trial=1, minutes=0.0005, seeds=2)
    steps = ablation(job.run, plan)
    assert [(step.change, step.undone) for step in steps] == [
        ("start", False),
        ("shape", False),
        ("optimiser and its rates", False),
        ("shape", True),
        ("optimiser and its rates", True),
    ]
    # Of two changes, to undo the second is what the first alone had made.
    assert steps[4].parameters == steps[1].parameters
    assert steps[4].figures == steps[1].figures
    for step in steps:
        assert step.seeds == [0, 1]
        assert len(step.validation) == len(step.pairs) == 2
        assert {figure.protocol for figure in step.figures} >= {"n_way"}
        assert all(len(figure.values) == 2 for figure in step.figures)
    folder = job.run.location.folder / "ablation-1"
    written = Ablation.model_validate_json((folder / RESULT).read_bytes())
    assert (written.study, written.trial, written.steps) == (job.run.location.name, 1, steps)
    assert written.versions == versions()
    assert (folder / PICTURE).stat().st_size > 5_000

    def no_epoch(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("model.training.trainer.Trainer._epoch", no_epoch)
    assert ablation(job.run, plan) == steps


def test_an_initial_configuration_needs_no_search(job: Job) -> None:
    first = tiny_config().start[0]
    config = job.run.config.model_copy(update={"start": (first, {**first, "fc.units": 8})})
    run = replace(job.run, config=config)
    with pytest.raises(StudyError, match="run it first"):
        ablation(run, AblationPlan(trial=2, minutes=0.0005, seeds=1))
    steps = ablation(run, AblationPlan(trial=1, minutes=0.0005, seeds=1))
    assert [step.change for step in steps] == ["start", "shape", "shape"]
    # With trials of the same numbers, it is the same.
    work(replace(job, run=run, total=2))
    assert ablation(run, AblationPlan(trial=1, minutes=0.0005, seeds=1)) == steps


def test_a_trial_that_is_the_start_leaves_nothing_to_compare(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    work(replace(job, total=1))
    (step,) = ablation(job.run, AblationPlan(trial=0, minutes=0.0005, seeds=1))
    assert step.change == "start"
    said = " ".join(capsys.readouterr().out.split())
    assert "Trial 0 is the first [[start]] of study" in said
    assert "--trial names another" in said
