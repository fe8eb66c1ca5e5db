"""Every value that a study may search changes the training that it names."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.hyperparameters import Hyperparameters
from model.training.trainer import Trainer
from tests.model.support import LAYERS, TINY, tiny_hyperparameters, tiny_trainer, with_rate


def trained(trainer: Trainer) -> Trainer:
    list(trainer.epochs())
    return trainer


@pytest.mark.parametrize("rate", ["learning_rate", "momentum", "l2"])
@pytest.mark.parametrize("layer", LAYERS)
def test_every_searched_rate_changes_the_training(layer: str, rate: str) -> None:
    base = tiny_hyperparameters()
    changed = with_rate(base, layer, **{rate: 0.05})
    ends = [
        trained(tiny_trainer(one, epochs=2, pairs_per_epoch=32)).net.state_dict()
        for one in (base, changed)
    ]
    assert any(not torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def seen_by(trainer: Trainer) -> tuple[Tensor, Tensor]:
    """Return the output's weights, and the embeddings of some drawings outside training."""
    net = trainer.evaluated.eval()
    return net.output.weight, net.embed(trainer.train_drawings.images(torch.arange(8)))


BATCHES = {"optimiser": "adamw", "schedule": "cosine", "batch": "episodes", "loss": "episode"}
CHANGES: dict[str, Hyperparameters] = {
    "net.filters": tiny_hyperparameters(replace(TINY, filters=(4, 6, 6, 10)), **BATCHES),
    "net.kernel_sizes": tiny_hyperparameters(replace(TINY, kernel_sizes=(3, 3, 2, 3)), **BATCHES),
    "net.stride": tiny_hyperparameters(replace(TINY, stride=2, poolings=0), **BATCHES),
    "net.poolings": tiny_hyperparameters(replace(TINY, poolings=0), **BATCHES),
    "net.units": tiny_hyperparameters(replace(TINY, units=16), **BATCHES),
    "net.padding": tiny_hyperparameters(replace(TINY, padding="same"), **BATCHES),
    "net.normalisation": tiny_hyperparameters(replace(TINY, normalisation="batch"), **BATCHES),
    "net.embedding": tiny_hyperparameters(replace(TINY, embedding="identity"), **BATCHES),
    "net.dropout": tiny_hyperparameters(replace(TINY, dropout=0.3), **BATCHES),
    "net.centred": tiny_hyperparameters(replace(TINY, centred=True), **BATCHES),
    "net.turns": tiny_hyperparameters(replace(TINY, turns=20.0), **BATCHES),
    "net.head": tiny_hyperparameters(replace(TINY, head="weighted_l2"), **BATCHES),
    "net.initialisation": tiny_hyperparameters(replace(TINY, initialisation="paper"), **BATCHES),
    "recipe.batch": tiny_hyperparameters(**{**BATCHES, "batch": "pairs", "loss": "pair"}),
    "recipe.pairs": tiny_hyperparameters(**{**BATCHES, "batch": "pairs", "loss": "pair"}, pairs=8),
    "recipe.episodes": tiny_hyperparameters(**BATCHES, episodes=3),
    "recipe.way": tiny_hyperparameters(**BATCHES, way=5),
    "recipe.across": tiny_hyperparameters(**BATCHES, across=True),
    "recipe.loss": tiny_hyperparameters(**{**BATCHES, "loss": "pair"}),
    "recipe.optimiser": tiny_hyperparameters(**{**BATCHES, "optimiser": "sgd"}),
    "recipe.rate_factor": tiny_hyperparameters(**BATCHES, rate_factor=0.5),
    "recipe.schedule": tiny_hyperparameters(**{**BATCHES, "schedule": "exponential"}),
    "recipe.averaging": tiny_hyperparameters(**BATCHES, averaging=0.2),
    "recipe.distortion": tiny_hyperparameters(**BATCHES, distortion=0.5),
    "recipe.warp": tiny_hyperparameters(**BATCHES, warp=2.0),
    "recipe.zoom": tiny_hyperparameters(**BATCHES, zoom=1.0),
    "recipe.elastic": tiny_hyperparameters(**BATCHES, elastic=2.0),
    "recipe.splice": tiny_hyperparameters(**BATCHES, splice=0.5),
    "recipe.rotations": tiny_hyperparameters(**BATCHES, rotations=True),
    "recipe.precision": tiny_hyperparameters(**BATCHES, precision="bf16"),
}


def test_every_field_of_a_configuration_changes_the_training() -> None:
    recipe = tiny_hyperparameters().recipe
    fields = {f"net.{f}" for f in vars(TINY)} | {f"recipe.{f}" for f in vars(recipe)}
    assert CHANGES.keys() == fields - {"net.image_size"}, "which is the data's"
    ends = [
        (
            *(result.loss for result in trainer.history),
            *(float(weights.detach().double().sum()) for weights in seen_by(trainer)),
        )
        for one in (tiny_hyperparameters(**BATCHES), *CHANGES.values())
        for trainer in [trained(tiny_trainer(one, epochs=2))]
    ]
    for name, end in zip(CHANGES, ends[1:], strict=True):
        assert end != ends[0], name
    assert len(set(ends)) == len(ends), "two of them train the same"
