"""What a study trains and validates on, loaded once per process."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from data.batches.one_shot import generate
from data.batches.pairs import PairSampler
from data.dataset import Dataset, OwnFolder
from data.drawings import Drawings
from data.sources.table import load
from data.split import split
from hpo.study.config import FOLDER
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
        own: the folder that it was read from, if it is one of the user's own.
        keep: the epoch that a training keeps: the ``best`` on ``validation``, or the ``last``,
            where ``validation`` is of what trains and so may choose nothing.
    """

    name: str
    digest: str
    train: Drawings
    validation: Validation
    own: OwnFolder | None = None
    keep: Literal["best", "last"] = "best"

    @property
    def path(self) -> Path | None:
        """The folder of the user's own that it was read from."""
        return self.own.path if self.own else None

    def facts(self) -> dict[str, str]:
        """Return what a study and its fits keep of the data: its name, its digest, its source."""
        facts = {"name": self.name, "digest": self.digest}
        return {**facts, "source": FOLDER} if self.own else facts

    def trainer(self, hyperparameters: Hyperparameters, budget: Budget, seed: int) -> Trainer:
        """Return a trainer on this data that has not begun."""
        return Trainer(
            hyperparameters,
            self.train,
            self.validation,
            budget,
            seed=seed,
            device=self.train.device,
            keep=self.keep,
        )


def load_data(run: StudyRun, progress: Callable[[int, int], None] | None = None) -> StudyData:
    """Return the study's data on the run's device; the same at every call.

    ``progress`` is told how many of how many images of a folder are read.

    Raises:
        DataError: the data cannot be had, or is too little for the study's trials.
    """
    return study_data(load_dataset(run, progress), run)


def load_dataset(run: StudyRun, progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Return what the study may learn from of its data set, at the size of its nets.

    Raises:
        DataError: it cannot be had.
    """
    asked = run.config.data
    return load(
        **asked.source(),
        root=run.data_root,
        size=asked.image_size,
        progress=progress,
        only_background=asked.validation == "lake",
    )


def study_data(dataset: Dataset, run: StudyRun) -> StudyData:
    """Return what a study takes of its data set, that of `load_dataset`, on the run's device.

    Raises:
        DataError: the data is too little for the study's trials.
    """
    asked, seed, data = run.config.validation, run.config.search.seed, run.config.data
    parts = split(dataset, data.drawers, data.validation, way=asked.way)
    trials = generate(
        parts.validation, way=asked.way, trials=asked.trials, variant=asked.variant, seed=seed
    )
    pairs = PairSampler(parts.validation, seed).draw(asked.verification_pairs)
    return StudyData(
        dataset.name,
        dataset.digest,
        parts.train.to(run.device),
        Validation(trials.to(run.device), pairs),
        dataset.own,
    )


def final_inputs(inputs: StudyData, dataset: Dataset, run: StudyRun) -> StudyData:
    """Return what the fits that are tested learn from.

    By Lake's split they train on the alphabets that were held out of the search as well, and keep
    their last epoch, since nothing is left to choose by. ``inputs`` are what `study_data` takes of
    ``dataset``.
    """
    data = run.config.data
    if data.validation == "koch":
        return inputs
    train = split(dataset, data.drawers).train.to(run.device)
    return replace(inputs, train=train, keep="last")
