"""What a final fit needs beyond a trial's inputs: fresh validation trials, and the tests."""

from pathlib import Path

import torch

from data.dataset import Dataset
from data.drawings import Drawings
from data.errors import DataError
from data.mnist import load_mnist
from data.oneshot import OneShotTrials, generate
from data.request import data_root
from data.sources import load
from data.split import split
from hpo.definition import StudyDefinition
from model.protocols import Benchmark, benchmark

FRESH_TRIALS = 4_000
"""Enough that their own noise, half a point, is well under that of the search's few hundred."""


def fresh_trials(
    definition: StudyDefinition, root: Path | None, seed: int, device: torch.device | str
) -> OneShotTrials:
    """Return one-shot trials that the search has not seen, of the validation alphabets alone.

    All drawers of these alphabets take part, those too that the search left out.

    Raises:
        DataError: the data cannot be had, or is too little.
    """
    dataset = _load(definition, root, definition.data.image_size)
    return generate(
        split(dataset, "all").validation,
        way=definition.validation.way,
        trials=FRESH_TRIALS,
        variant="all_drawers",
        # The search drew its own from a seed below this, and a generator takes 32 bits.
        seed=2**31 + seed,
    ).to(device)


def load_benchmark(definition: StudyDefinition, root: Path | None) -> tuple[Benchmark, str | None]:
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
    return benchmark(_load(definition, root, None), digits), missing


def _load(definition: StudyDefinition, root: Path | None, size: int | None) -> Dataset:
    return load(**definition.data.source(), root=root, size=size)
