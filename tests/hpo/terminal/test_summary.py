import io
import re
from dataclasses import replace

import numpy as np
import optuna
import pytest
from rich.console import Console

from hpo.search.workers.worker import Job
from hpo.study.files import changed, load
from hpo.study.record import record_baseline, record_study
from hpo.study.samplers.asha import epochs_in_all
from hpo.terminal.summary import next_commands, print_plan, print_results
from model.hyperparameters import Architecture, Hyperparameters
from model.training.cost import training_flops_per_pair
from tests.hpo.support import tiny_config


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(direction="maximize")


def test_the_top_five_and_the_next_commands_are_printed(study: optuna.Study, job: Job) -> None:
    for value in (0.1, 0.6, 0.2, 0.5, 0.4, 0.3):
        study.tell(study.ask(), value)
    study.tell(study.ask(), state=optuna.trial.TrialState.PRUNED)
    record_baseline(study, 0.25)
    output = io.StringIO()
    print_results(Console(file=output, soft_wrap=True), study, job.run.location)
    said = output.getvalue()
    assert "Study tiny: top 5 of 6 complete" in said
    assert [said.index(f"{value}.0%") for value in (60, 50, 40, 30, 20)] == sorted(
        said.index(f"{value}.0%") for value in (60, 50, 40, 30, 20)
    )
    assert "10.0%" not in said
    assert "pixel 1-NN: 25.0%" in said
    for command in next_commands(job.run.location):
        assert f"  {command}" in said


def test_the_best_have_an_interval_over_their_trials(study: optuna.Study, job: Job) -> None:
    study.tell(study.ask(), 0.5)
    record_study(study, config={"validation.trials": 100})
    output = io.StringIO()
    print_results(Console(file=output, width=80), study, job.run.location)
    assert "50.0 [40.4, 59.6]" in output.getvalue()
    assert "Intervals over other trials of the same alphabets, 100 as here." in output.getvalue()


def test_the_plan_has_the_data_s_source_and_the_total_time(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = job.run.config.space()
    first = space.hyperparameters(space.initial_configurations[0])

    # In proportion to the operations, three hours for the first net.
    def seconds(hyperparameters: Hyperparameters, *_: object) -> float:
        net, known = hyperparameters.architecture, first.architecture
        return 10_800 * training_flops_per_pair(net) / training_flops_per_pair(known)

    monkeypatch.setattr("model.training.cost.estimate_seconds", seconds)
    output = io.StringIO()
    print_plan(Console(file=output, width=120), replace(job.run, config=tiny_config(trials=600)))
    said = output.getvalue()
    assert re.search(r"data: omniglot, .*; 16 px, background full", said)
    three, smallest, largest = (float(one) for one in re.findall(r"([\d.]+) h │", said))
    assert smallest < three == 3.0 < largest
    (days,) = re.findall(r"Total: about (\d+) days for 600 trials", said)
    assert smallest < int(days) / 25 < largest  # 600 trials are 25 times 24


def test_without_a_complete_trial_nothing_is_printed(study: optuna.Study, job: Job) -> None:
    output = io.StringIO()
    print_results(Console(file=output), study, job.run.location)
    assert output.getvalue() == ""


def test_the_plan_has_the_search_space_and_the_nets(job: Job) -> None:
    output = io.StringIO()
    print_plan(Console(file=output, width=120), job.run)
    said = output.getvalue()
    assert "4 trials, sampler random" in said
    assert "at most 3 epochs of 128 pairs per trial, early stopping after 3" in said
    for name in job.run.config.space().searched:
        assert name in said
    for net in ("trial 0", "smallest", "largest"):
        assert net in said


@pytest.mark.parametrize("rungs", [1, 2])
def test_the_plan_names_the_rungs_if_trials_are_paused(job: Job, rungs: int) -> None:
    output = io.StringIO()
    config = changed(tiny_config(pruner="asha"), [f"search.rungs={rungs}"])
    print_plan(Console(file=output, width=200), replace(job.run, config=config))
    assert ("after each of epochs 1." in output.getvalue()) is (rungs > 1)
    assert ("without early stopping and pruning" in output.getvalue()) is (rungs == 1)
    assert ("at most the best third going on" in output.getvalue()) is (rungs > 1)


def test_the_paper_s_search_is_a_job_of_one_night() -> None:
    config = load("paper")
    space, rungs = config.space(), config.rungs()
    sampler = optuna.samplers.RandomSampler(seed=0)
    drawn = optuna.create_study(sampler=sampler)
    costs = [training_flops_per_pair(space.suggest(drawn.ask()).architecture) for _ in range(100)]
    first = training_flops_per_pair(Architecture())
    # Of the paper's own net, and its validation, on an H100: studies/results/README.md.
    seconds = 11.6 * float(np.mean(costs)) / first
    assert epochs_in_all(200, rungs) * seconds / 3600 < 12
    assert epochs_in_all(200, config.changed(pruner="none").rungs() or (200,)) == 40_000
