"""What a final fit needs beyond a trial's inputs: fresh validation trials, and the tests."""

from pathlib import Path

import torch

from data.batches.one_shot import OneShotTrials, generate
from data.dataset import Dataset
from data.drawings import Drawings
from data.errors import DataError
from data.sources.mnist import load_mnist
from data.sources.request import data_root
from data.sources.table import load
from data.split import split
from hpo.study.config import StudyConfig
from model.evaluation.protocols import Benchmark, benchmark

FRESH_TRIALS = 4_000
"""Enough that their own noise, half a point, is well under that of the search's few hundred."""


def fresh_trials(
    config: StudyConfig, root: Path | None, seed: int, device: torch.device | str
) -> OneShotTrials:
    """Return one-shot trials that the search has not seen, of the validation alphabets alone.

    All drawers of these alphabets take part, those too that the search left out.

    Raises:
        DataError: the data cannot be had, or is too little.
    """
    dataset = _load(config, root, config.data.image_size)
    return generate(
        split(dataset, "all").validation,
        way=config.validation.way,
        trials=FRESH_TRIALS,
        variant="all_drawers",
        # The search drew its own from a seed below this, and a generator takes 32 bits.
        seed=2**31 + seed,
    ).to(device)


def load_benchmark(config: StudyConfig, root: Path | None) -> tuple[Benchmark, str | None]:
    """Return the tests at the data's full size, and why MNIST is not among them, if so.

    Raises:
        DataError: the data cannot be had.
    """
    digits: Drawings | None = None
    missing = None
    try:
        digits = load_mnist(data_root(root))
    except DataError as error:
        missing = str(error)
    return benchmark(_load(config, root, None), digits), missing


def _load(config: StudyConfig, root: Path | None, size: int | None) -> Dataset:
    return load(**config.data.source(), root=root, size=size)
