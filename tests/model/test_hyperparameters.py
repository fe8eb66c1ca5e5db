from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.hyperparameters import _LATER, Architecture, Budget, Hyperparameters, LayerRates, Recipe
from model.net.siamese import SiameseNet
from tests.model.support import tiny_hyperparameters


@pytest.mark.parametrize(("section", "later", "default"), _LATER)
def test_a_fit_kept_before_there_was_a_field_is_found(
    section: str, later: str, default: float
) -> None:
    """Its key has no such field; a configuration that uses it has another key."""
    plain = tiny_hyperparameters()
    used = replace(plain, **{section: replace(getattr(plain, section), **{later: 0.2})})
    assert asdict(plain)[section][later] == default != 0.2
    assert later not in plain.identity()[section]
    assert later not in plain.written()
    assert used.identity()[section][later] == 0.2
    assert f"{later}=0.2" in used.written()
    assert {name for _, name, _ in _LATER} == {"turns", "zoom", "averaging"}


def test_the_papers_net_by_hand() -> None:
    """Figure 4 of the paper: 105 - 96/48 - 42/21 - 18/9 - 6."""
    architecture = Architecture()
    assert architecture.map_sizes() == ((96, 48), (42, 21), (18, 9), (6, 6))
    assert architecture.layers == ("conv1", "conv2", "conv3", "conv4", "fc", "output")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"filters": (8, 8)}, "2 filter counts and 4 kernel sizes"),
        ({"filters": (), "kernel_sizes": ()}, "0 filter counts"),
        ({"stride": 0}, "a stride of 0"),
        ({"kernel_sizes": (10, 7, 4, 19)}, "conv4 with kernel 19 leaves no pixels of a 105 px"),
        ({"image_size": 1}, "conv1 with kernel 10"),
    ],
)
def test_shapes_that_cannot_be_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Architecture(**changes)


@given(
    st.integers(5, 200), st.integers(1, 4), st.integers(1, 8), st.sampled_from(["same", "valid"])
)
def test_sizes_are_those_of_the_maps(size: int, kernel: int, stride: int, padding: Any) -> None:
    try:
        architecture = Architecture(
            image_size=size,
            filters=(2, 2),
            kernel_sizes=(kernel, kernel),
            stride=stride,
            poolings=1,
            padding=padding,
            units=2,
        )
    except ValueError:
        return
    with torch.device("meta"):
        net, image = SiameseNet(architecture), torch.empty(1, 1, size, size)
    assert net(image, image).shape == (1,)
    assert net.fc.in_features == 2 * architecture.map_sizes()[-1][1] ** 2


def test_recipes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="episode loss needs"):
        Recipe(loss="episode")
    with pytest.raises(ValueError, match="splice needs"):
        Recipe(splice=0.5)
    assert Recipe(pairs=100).pairs_per_batch == 100
    assert Recipe(batch="episodes", episodes=3, way=7).pairs_per_batch == 21


def test_every_layer_has_rates_and_nothing_else_has() -> None:
    whole = tiny_hyperparameters()
    for rates in ({}, {**whole.rates, "conv9": whole.rates["fc"]}):
        with pytest.raises(ValueError, match="but the layers are"):
            replace(whole, rates=rates)


def test_the_papers_own_net_and_recipe_are_known_at_any_rates() -> None:
    papers = Hyperparameters(
        rates={
            layer: LayerRates(learning_rate=1e-3, momentum=0.5, l2=0)
            for layer in Architecture().layers
        }
    )
    assert papers.is_papers
    assert replace(papers, recipe=Recipe(precision="fp32")).is_papers
    assert not replace(papers, recipe=Recipe(distortion=0)).is_papers
    assert not replace(papers, architecture=Architecture(initialisation="kaiming")).is_papers
    assert not tiny_hyperparameters().is_papers


@given(
    st.integers(1, 300), st.integers(1, 10**5), st.floats(1e-3, 1), st.none() | st.floats(1, 1e6)
)
def test_a_part_of_a_budget_is_that_part_of_its_training(
    epochs: int, pairs: int, fraction: float, teraflops: float | None
) -> None:
    whole = Budget(epochs=epochs, pairs_per_epoch=pairs, teraflops=teraflops)
    part = whole.part(fraction)
    asked = epochs * pairs * fraction
    assert part.epochs * part.pairs_per_epoch <= asked + max(pairs / 2, part.epochs)
    assert part.epochs * part.pairs_per_epoch >= asked - max(pairs / 2, part.epochs)
    assert part.teraflops == (teraflops and teraflops * fraction)
    assert whole.part(1) == whole
