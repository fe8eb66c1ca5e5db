from dataclasses import replace
from pathlib import Path

import pytest
import torch

import data.sources.omniglot.source
import data.sources.table
import hpo.fits.evaluation
import hpo.fits.held_out
import hpo.fits.result
import hpo.training.data
from data.errors import DataUnavailable
from data.sources.request import Request
from hpo.fits.final import FitPlan, final_fit
from hpo.fits.held_out import FRESH_TRIALS, fresh_trials, load_benchmark
from hpo.search.workers.worker import Job, work
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from hpo.training.data import load_data
from model.evaluation.protocols import Benchmark
from tests.hpo.support import SIZE, tiny_config


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_fresh_trials_are_not_the_search_s(seed: int) -> None:
    """Although they are drawn from the same drawings in the same way."""
    validation = {"trials": FRESH_TRIALS, "variant": "all_drawers", "way": 5}
    config = tiny_config(seed=seed)
    config = config.model_copy(
        update={"validation": config.validation.model_copy(update=validation)}
    )
    run = StudyRun(config=config, location=StudyLocation("tiny"))
    searched, fresh = load_data(run).validation.trials, fresh_trials(run, seed)
    assert torch.equal(searched.drawings.ink, fresh.drawings.ink)
    # Of 36 drawings of an alphabet the same one stands here and there by chance.
    assert (searched.query == fresh.query).float().mean() < 0.05


def test_the_tests_are_of_the_test_alphabets_and_say_what_is_missing(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []
    load = hpo.fits.held_out.load

    def recorded(**arguments: object) -> object:
        asked.append(arguments)
        return load(**arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(hpo.fits.held_out, "load", recorded)
    tests, missing = load_benchmark(job.run)
    assert missing == "there is no MNIST here"
    assert {tests.drawings.alphabet_names[i] for i in tests.drawings.alphabet.unique()} == {"f"}
    assert {task.protocol for task in tests.tasks} == {"n_way"}
    assert tests.drawings.size == SIZE
    # At full size: not scaled to the study's.
    assert asked == [{**job.run.config.data.source(), "root": None}]


def test_mnist_in_a_folder_that_may_not_be_read_is_missing(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(root: Path) -> None:
        raise PermissionError(13, "Permission denied", "data/MNIST")

    monkeypatch.setattr(hpo.fits.held_out, "load_mnist", forbidden)
    _, missing = load_benchmark(job.run)
    assert missing == "[Errno 13] Permission denied: 'data/MNIST'"


def test_by_lakes_split_nothing_of_the_evaluation_set_is_read_before_the_test(
    omniglot_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evaluation set and the runs raise when touched, until everything is trained."""
    source = data.sources.omniglot.source
    located, locate = [], source.locate

    def guarded(name: str, request: Request) -> Path:
        located.append(name)
        assert name == "images_background" or tested, f"{name} is read before the test"
        return locate(name, request)

    tested: list[object] = []

    def benchmark_of(run: StudyRun) -> tuple[Benchmark, str | None]:
        tested.append(run)
        return load_benchmark(run)

    def no_mnist(root: Path) -> None:
        raise DataUnavailable("there is no MNIST here")

    monkeypatch.setattr(source, "locate", guarded)
    for module in (hpo.training.data, hpo.fits.held_out):
        monkeypatch.setattr(module, "load", data.sources.table.load)
    monkeypatch.setattr(hpo.fits.result, "load_benchmark", benchmark_of)
    monkeypatch.setattr(hpo.fits.held_out, "load_mnist", no_mnist)
    # They see the tests alone, after all that is asked here.
    monkeypatch.setattr(hpo.fits.evaluation, "BASELINES", {})
    config = tiny_config().changed(dataset="omniglot", validation="lake")
    run = StudyRun(config=config, location=StudyLocation("tiny", tmp_path), data_root=omniglot_root)
    work(Job(run=run, total=2))
    assert located
    metrics = final_fit(run, FitPlan(top=2, seeds=2))
    assert len(tested) == 1
    assert "images_evaluation" in located
    assert metrics.validation == "lake"
    assert metrics.find("official_runs") is not None
    # Nothing selects among epochs or fits, and what they trained on scores none of them.
    assert metrics.kept_seed == 0
    assert [seed.best_epoch for seed in metrics.seeds] == [seed.epochs for seed in metrics.seeds]
    assert {seed.validation_accuracy for seed in metrics.seeds} == {None}
    assert len(metrics.selection) == 2
    # The same study by Koch's split is stopped at its first look.
    other = replace(run, config=config.changed(validation="koch"))
    tested.clear()
    with pytest.raises(AssertionError, match="images_evaluation is read"):
        load_data(other)
