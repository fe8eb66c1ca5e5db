"""What a final fit needs beyond a study's data: fresh validation trials, and the tests."""

from data.batches.one_shot import OneShotTrials, generate
from data.drawings import Drawings
from data.errors import DataError
from data.files.folders import data_root
from data.sources.mnist import load_mnist
from data.sources.table import load
from data.split import split
from hpo.study.run import StudyRun
from hpo.training.data import load_dataset
from model.evaluation.protocols import Benchmark, benchmark

FRESH_TRIALS = 4_000
"""Enough for a noise of half a point, well below that of the search's few hundred."""


def fresh_trials(run: StudyRun, seed: int, later: int = 0) -> OneShotTrials:
    """Return one-shot trials that the search has not seen, of the validation alphabets alone.

    They are others for every ``seed``, and for each round of a race, which ``later`` rounds follow.

    By Lake's split these are background alphabets. All their drawers take part, including those
    that the search leaves out.

    Raises:
        DataError: the data cannot be had, or is too little.
    """
    way = run.config.validation.way
    return generate(
        split(load_dataset(run), "all", run.config.data.validation, way=way).validation,
        way=way,
        trials=FRESH_TRIALS,
        variant="all_drawers",
        # The search's own seed is below this, and a generator takes 32 bits.
        seed=2**31 + (seed + 1_000_003 * later) % 2**31,
    ).to(run.device)


def load_benchmark(run: StudyRun) -> tuple[Benchmark, str | None]:
    """Return the tests at the data's full size, and why MNIST is missing, if it is.

    Raises:
        DataError: the data cannot be had.
    """
    digits: Drawings | None = None
    missing = None
    try:
        digits = load_mnist(data_root(run.data_root))
    except (DataError, PermissionError) as error:
        missing = str(error)
    return benchmark(load(**run.config.data.source(), root=run.data_root), digits), missing
