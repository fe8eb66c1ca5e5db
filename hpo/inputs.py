"""What every trial of a study learns from and is validated on, loaded once per process."""

from dataclasses import dataclass
from pathlib import Path

import torch

from data.drawings import Drawings
from data.oneshot import generate
from data.pairs import PairSampler
from data.sources import load
from data.split import split
from hpo.definition import StudyDefinition
from model.baselines import nearest_neighbour_scores
from model.evaluation import credit
from model.training import Validation


@dataclass(frozen=True, eq=False)
class Inputs:
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

    def yardstick(self) -> float:
        """Return the accuracy of pixel 1-NN, which learns nothing, on the validation trials."""
        trials = self.validation.trials
        return float(credit(nearest_neighbour_scores(trials), trials.answer).mean())


def load_inputs(
    definition: StudyDefinition, root: Path | None, device: torch.device | str
) -> Inputs:
    """Return the study's inputs on ``device``; the same at every call.

    Raises:
        DataError: the data cannot be had, or is too little for the study's trials.
    """
    wanted, asked, seed = definition.data, definition.validation, definition.search.seed
    dataset = load(
        dataset=wanted.dataset, root=root, background=wanted.background, size=wanted.image_size
    )
    parts = split(dataset, wanted.drawers)
    trials = generate(
        parts.validation, way=asked.way, trials=asked.trials, variant=asked.variant, seed=seed
    )
    pairs = PairSampler(parts.validation, seed).draw(asked.verification_pairs)
    validation = Validation(trials.to(device), pairs)
    return Inputs(dataset.name, dataset.digest, parts.train.to(device), validation)
