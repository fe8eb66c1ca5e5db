"""What the benchmarks run on: the real drawings where they are, the studies' first nets."""

import os
from dataclasses import replace
from pathlib import Path

import torch

from data.batches.one_shot import OneShotTrials, generate
from data.batches.pairs import PairSampler
from data.drawings import Drawings
from hpo.study.files import load as load_study
from model.hyperparameters import Budget, Hyperparameters
from model.training.trainer import Trainer, Validation
from tests.model.support import tiny_hyperparameters
from tests.synthetic import synthetic


def _first(study: str) -> Hyperparameters:
    space = load_study(study).space()
    return space.hyperparameters(space.initial_configurations[0])


def paper() -> Hyperparameters:
    """Return the paper's net with the study's first rates."""
    return _first("paper")


def compact() -> Hyperparameters:
    """Return the first configuration of the compact study."""
    return _first("compact")


def beyond_70() -> Hyperparameters:
    """Return the first configuration of the study of 70 px, with batch normalisation."""
    return _first("beyond-70")


def toy() -> Hyperparameters:
    """Return a net that trains in milliseconds."""
    return tiny_hyperparameters()


def omniglot_root() -> Path | None:
    """Return where Omniglot lies, without fetching it."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "datasets"
    root = Path(os.environ.get("OMNIGLOT_ROOT") or beside)
    return root if any(root.rglob("images_background*")) else None


def load_drawings(small: bool = False) -> tuple[Drawings, str]:
    """Return drawings at 105 px, and a word on what they are.

    Omniglot's background set where it is at hand, else made-up drawings of the same number of
    alphabets and drawers, which cost as much to handle.
    """
    if small:
        return synthetic((22, 22), drawers=4, size=20), "toy drawings"
    root = omniglot_root()
    if root is not None:
        from data.sources.table import load

        dataset = load("omniglot", root, download=False)
        return dataset.drawings, "Omniglot"
    made = synthetic((22,) * 10, drawers=20, size=105)
    return made, "made-up drawings (no Omniglot here)"


def trainer_of(
    hyperparameters: Hyperparameters,
    drawings: Drawings,
    pairs: int,
    device: torch.device,
    seed: int = 0,
) -> Trainer:
    """Return a trainer whose minibatches have ``pairs`` pairs, unless they are episodes."""
    hyperparameters = replace(hyperparameters, recipe=replace(hyperparameters.recipe, pairs=pairs))
    validation = Validation(trials_of(drawings, 20), PairSampler(drawings, 0).draw(64))
    trainer = Trainer(hyperparameters, drawings, validation, Budget(), seed=seed, device=device)
    trainer.schedule.set(0)
    trainer.net.train()
    return trainer


def trials_of(drawings: Drawings, number: int) -> OneShotTrials:
    """Return 20-way trials that are asked as the official runs are: in runs of 20.

    Each 20 trials share one support, and ask for each of its characters once.
    """
    way = 20
    runs = max(1, number // way)
    first = generate(drawings, way=way, trials=runs, variant="two_drawers", seed=0)
    pool = drawings.to("cpu")
    of = {
        (character, drawer): location
        for location, (character, drawer) in enumerate(
            zip(pool.character.tolist(), pool.drawer.tolist(), strict=True)
        )
    }
    queries = []
    for query, support in zip(first.query.tolist(), first.support.tolist(), strict=True):
        drawer = int(pool.drawer[query])
        queries += [of[int(pool.character[location]), drawer] for location in support]
    return OneShotTrials(
        drawings,
        torch.tensor(queries, device=drawings.device),
        first.support.repeat_interleave(way, 0),
        torch.arange(way, device=drawings.device).repeat(runs),
    )
