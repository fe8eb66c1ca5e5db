"""What a study trains and validates on, loaded once per process."""

from dataclasses import dataclass

from data.batches.one_shot import generate
from data.batches.pairs import PairSampler
from data.drawings import Drawings
from data.sources.table import load
from data.split import split
from hpo.study.run import StudyRun
from model.hyperparameters import Budget, Hyperparameters
from model.training.trainer import Trainer, Validation


@dataclass(frozen=True, eq=False)
class StudyData:
    """The training and validation data of a study, on its device; no test alphabets.

    Attributes:
        name: of the data set.
        digest: of its content.
        train: the drawings that pairs are sampled from.
        validation: the trials and pairs that every epoch is validated on.
    """

    name: str
    digest: str
    train: Drawings
    validation: Validation

    def trainer(self, hyperparameters: Hyperparameters, budget: Budget, seed: int) -> Trainer:
        """Return a trainer on this data that has not begun."""
        device = self.train.device
        return Trainer(
            hyperparameters, self.train, self.validation, budget, seed=seed, device=device
        )


def load_data(run: StudyRun) -> StudyData:
    """Return the study's data on the run's device; the same at every call.

    Raises:
        DataError: the data cannot be had, or is too little for the study's trials.
    """
    config = run.config
    wanted, asked, seed = config.data, config.validation, config.search.seed
    dataset = load(
        dataset=wanted.dataset,
        root=run.data_root,
        background=wanted.background,
        size=wanted.image_size,
    )
    parts = split(dataset, wanted.drawers)
    trials = generate(
        parts.validation, way=asked.way, trials=asked.trials, variant=asked.variant, seed=seed
    )
    pairs = PairSampler(parts.validation, seed).draw(asked.verification_pairs)
    validation = Validation(trials.to(run.device), pairs)
    return StudyData(dataset.name, dataset.digest, parts.train.to(run.device), validation)
