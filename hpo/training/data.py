"""What every trial of a study learns from and is validated on, loaded once per process."""

from dataclasses import dataclass
from pathlib import Path

import torch

from data.batches.one_shot import generate
from data.batches.pairs import PairSampler
from data.drawings import Drawings
from data.sources.table import load
from data.split import split
from hpo.study.config import StudyConfig
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
    """

    name: str
    digest: str
    train: Drawings
    validation: Validation

    def baseline(self) -> float:
        """Return the accuracy of pixel 1-NN, which learns nothing, on the validation trials."""
        trials = self.validation.trials
        return float(credit(nearest_neighbour_scores(trials), trials.answer).mean())


def load_data(config: StudyConfig, root: Path | None, device: torch.device | str) -> StudyData:
    """Return the study's inputs on ``device``; the same at every call.

    Raises:
        DataError: the data cannot be had, or is too little for the study's trials.
    """
    wanted, asked, seed = config.data, config.validation, config.search.seed
    dataset = load(
        dataset=wanted.dataset, root=root, background=wanted.background, size=wanted.image_size
    )
    parts = split(dataset, wanted.drawers)
    trials = generate(
        parts.validation, way=asked.way, trials=asked.trials, variant=asked.variant, seed=seed
    )
    pairs = PairSampler(parts.validation, seed).draw(asked.verification_pairs)
    validation = Validation(trials.to(device), pairs)
    return StudyData(dataset.name, dataset.digest, parts.train.to(device), validation)
