"""A net, drawings and rates small enough to train in a fraction of a second."""

from dataclasses import replace
from typing import Any, Literal

import torch
from PIL import Image, ImageDraw

from data.batches.one_shot import generate
from data.batches.pairs import PairSampler
from model.hyperparameters import Architecture, Budget, Hyperparameters, LayerRates, Recipe
from model.net.siamese import SiameseNet
from model.training.trainer import EpochResult, Trainer, Validation
from tests.synthetic import synthetic

TINY = Architecture(
    image_size=16,
    filters=(4, 6, 6, 8),
    kernel_sizes=(3, 3, 2, 2),
    poolings=1,
    units=12,
    initialisation="kaiming",
)
PLAIN = LayerRates(learning_rate=0.02, momentum=0.7, l2=1e-4)
LAYERS = TINY.layers


def tiny_hyperparameters(
    architecture: Architecture = TINY, rates: LayerRates = PLAIN, **recipe: Any
) -> Hyperparameters:
    """Return one configuration, the same rates in every layer, in fp32 but for ``recipe``."""
    settings = {"pairs": 16, "episodes": 2, "way": 4, "precision": "fp32", **recipe}
    return Hyperparameters(
        architecture=architecture,
        recipe=Recipe(**settings),
        rates=dict.fromkeys(architecture.layers, rates),
    )


def tiny_trainer(
    hyperparameters: Hyperparameters | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    keep: Literal["best", "last"] = "best",
    **budget: Any,
) -> Trainer:
    """Return a trainer over two alphabets, validated on two others."""
    train = synthetic((6, 6), drawers=5, seed=1)
    other = synthetic((6, 6), drawers=5, seed=2)
    validation = Validation(
        generate(other, way=4, trials=60, variant="two_drawers", seed=0),
        PairSampler(other, 0).draw(40),
    )
    settings = {"epochs": 3, "pairs_per_epoch": 64, "patience": 9, "momentum_epochs": 4, **budget}
    return Trainer(
        hyperparameters or tiny_hyperparameters(),
        train,
        validation,
        Budget(**settings),
        seed=seed,
        device=device,
        keep=keep,
    )


def scripted(trainer: Trainer, accuracies: list[float], seconds: float = 1.0) -> None:
    """Let the trainer's epochs have these results, and weights that tell them apart."""

    def epoch(number: int) -> EpochResult:
        with torch.no_grad():
            trainer.net.output.bias.fill_(number + 1)
        return EpochResult(
            epoch=number + 1,
            loss=1.0,
            verification_accuracy=0.5,
            one_shot_accuracy=accuracies[number],
            seconds=seconds,
            pairs_per_second=1.0,
            pairs_seen=number,
            diverged=False,
        )

    trainer._epoch = epoch  # type: ignore[method-assign]


def with_rate(hyperparameters: Hyperparameters, layer: str, **changes: float) -> Hyperparameters:
    """Return the configuration with one layer's rates changed."""
    rates = {**hyperparameters.rates, layer: replace(hyperparameters.rates[layer], **changes)}
    return replace(hyperparameters, rates=rates)


def random_images(count: int, size: int = 16, seed: int = 0) -> torch.Tensor:
    """Return images ``[count, 1, size, size]`` of uniform noise."""
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(seed))


def alike(level: float = 0.0) -> SiameseNet:
    """Return a net whose score is ``level`` less the distance of its embeddings."""
    architecture = Architecture(
        image_size=20,
        filters=(8,),
        kernel_sizes=(5,),
        poolings=1,
        units=16,
        embedding="identity",
        initialisation="kaiming",
    )
    net = SiameseNet(architecture, torch.Generator().manual_seed(0))
    with torch.no_grad():
        net.output.weight.fill_(-0.1)
        net.output.bias.fill_(level)
    return net


SHAPES = ("bar", "cross", "ring")
"""What `drawing` draws."""


def drawing(shape: str, size: int = 80, shift: int = 0) -> Image.Image:
    """Return a drawing of one of `SHAPES`, black on white, ``[size, size]``."""
    image = Image.new("L", (size, size), 255)
    pen = ImageDraw.Draw(image)
    low, high, width = size // 5 + shift, size * 4 // 5 + shift, size // 12
    if shape == "ring":
        pen.ellipse((low, low, high, high), outline=0, width=width)
    elif shape == "bar":
        pen.line((size // 2, low, size // 2, high), fill=0, width=width)
    else:
        pen.line((low, low, high, high), fill=0, width=width)
        pen.line((low, high, high, low), fill=0, width=width)
    return image
