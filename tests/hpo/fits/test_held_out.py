import pytest
import torch

import hpo.fits.held_out
from hpo.fits.held_out import FRESH_TRIALS, fresh_trials, load_benchmark
from hpo.search.workers.worker import Job
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from hpo.training.data import load_data
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
    assert asked == [{"dataset": "auto", "root": None, "background": "full", "size": None}]
