"""What every trial of a study learns from and is validated on, loaded once per process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from data.batches.one_shot import generate
from data.batches.pairs import PairSampler
from data.dataset import Dataset, OwnFolder
from data.drawings import Drawings
from data.sources.table import load
from data.split import split
from hpo.study.config import FOLDER, StudyConfig
from model.baselines import nearest_neighbour_scores
from model.evaluation.scores import credit
from model.training.trainer import Validation


@dataclass(frozen=True, eq=False)
class StudyData:
    """The data of a study. The test alphabets are not among it.

    Attributes:
        name: of the data set.
        digest: of its content.
        train: what the pairs are drawn from.
        validation: the trials and pairs that every epoch is validated on.
        own: the folder that it was read from, if it is one of the user's own.
    """

    name: str
    digest: str
    train: Drawings
    validation: Validation
    own: OwnFolder | None = None

    def facts(self) -> dict[str, str]:
        """Return what a study and its fits keep of the data: its name, its digest, its source."""
        facts = {"name": self.name, "digest": self.digest}
        return {**facts, "source": FOLDER} if self.own else facts

    def baseline(self) -> float:
        """Return the accuracy of pixel 1-NN, which learns nothing, on the validation trials."""
        trials = self.validation.trials
        return float(credit(nearest_neighbour_scores(trials), trials.answer).mean())


def load_data(
    config: StudyConfig,
    root: Path | None,
    device: torch.device | str,
    progress: Callable[[int, int], None] | None = None,
) -> StudyData:
    """Return the study's inputs on ``device``; the same at every call.

    Args:
        definition: the study's.
        root: where data sets lie, None for the usual places.
        device: where to put them.
        progress: told how many of how many images of a folder are read.

    Raises:
        DataError: the data cannot be had, or is too little for the study's trials.
    """
    return inputs_of(load_dataset(config, root, progress), config, device)


def load_dataset(
    config: StudyConfig,
    root: Path | None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Return the study's data set, at the size of its nets.

    Raises:
        DataError: it cannot be had.
    """
    wanted = config.data
    return load(**wanted.source(), root=root, size=wanted.image_size, progress=progress)


def inputs_of(dataset: Dataset, config: StudyConfig, device: torch.device | str) -> StudyData:
    """Return what a study takes of its data set, on ``device``.

    Raises:
        DataError: the data is too little for the study's trials.
    """
    asked, seed = config.validation, config.search.seed
    parts = split(dataset, config.data.drawers)
    trials = generate(
        parts.validation, way=asked.way, trials=asked.trials, variant=asked.variant, seed=seed
    )
    pairs = PairSampler(parts.validation, seed).draw(asked.verification_pairs)
    return StudyData(
        dataset.name,
        dataset.digest,
        parts.train.to(device),
        Validation(trials.to(device), pairs),
        dataset.own,
    )
