import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import model.training.cuda_graph
from model.hyperparameters import Architecture, Budget
from model.net.siamese import SiameseNet
from model.training.cost import (
    activation_bytes_per_pair,
    available_memory,
    estimate_seconds,
    pairs_that_fit,
    training_flops_per_pair,
    within_cost,
)
from tests.model.support import TINY, tiny_hyperparameters, tiny_trainer

SHAPES = {
    "tiny": TINY,
    "same": replace(TINY, padding="same"),
    "paper": Architecture(filters=(16, 16, 32, 32), units=64),
}


@pytest.mark.parametrize("name", SHAPES)
def test_flops_are_those_that_torch_counts(name: str) -> None:
    architecture = SHAPES[name]
    net = SiameseNet(architecture)
    size = architecture.image_size
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 1, size, size), torch.zeros(1, 1, size, size))
    # Three times the forward pass; torch leaves out a little (the head), and the first layer's
    # gradient of the images, which ours counts, is never needed.
    assert training_flops_per_pair(architecture) == pytest.approx(
        3 * counter.get_total_flops(), rel=0.01
    )


def test_costs_grow_with_every_width() -> None:
    for change in ({"units": 24}, {"filters": (8, 6, 6, 8)}, {"image_size": 18}):
        bigger = replace(TINY, **change)
        assert training_flops_per_pair(bigger) > training_flops_per_pair(TINY)
        assert activation_bytes_per_pair(bigger) > activation_bytes_per_pair(TINY)


def test_a_limit_of_arithmetic_gives_every_net_its_pairs() -> None:
    budget = Budget(epochs=10, pairs_per_epoch=500, teraflops=1e-6)
    large = replace(TINY, filters=(32, 32, 32, 32))
    for architecture in (TINY, large, replace(large, units=4096)):
        cut = within_cost(budget, architecture)
        each = training_flops_per_pair(architecture)
        spent = cut.epochs * cut.pairs_per_epoch * each
        assert spent <= 1e6 or cut.pairs_per_epoch == 1
        assert cut.pairs_per_epoch in (1, 500) or spent + cut.epochs * each > 1e6
        trainer = tiny_trainer(tiny_hyperparameters(architecture, pairs=2), **vars(budget))
        assert trainer.budget == cut
    assert within_cost(replace(budget, teraflops=1.0), TINY).pairs_per_epoch == 500
    assert within_cost(replace(budget, teraflops=None), TINY) == replace(budget, teraflops=None)


@pytest.mark.parametrize("as_product", [False, True])
def test_activation_bytes_cover_what_autograd_keeps(as_product: bool) -> None:
    """At least what is saved for the backward pass, at most a few times that."""
    architecture = Architecture(filters=(16, 16, 32, 32), units=64)
    net = SiameseNet(architecture)
    net.conv1_as_product = as_product
    weights = {parameter.untyped_storage().data_ptr() for parameter in net.parameters()}
    saved: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = net(torch.rand(4, 1, 105, 105), torch.rand(4, 1, 105, 105))
    estimate = 4 * activation_bytes_per_pair(architecture, as_product)
    assert logits.shape == (4,)
    assert sum(saved.values()) <= estimate <= 3 * sum(saved.values())


def test_pairs_that_fit() -> None:
    each = activation_bytes_per_pair(TINY)
    assert pairs_that_fit(TINY, 10 * each) == 10
    assert pairs_that_fit(TINY, 1) == 1
    assert available_memory(torch.device("cpu")) > 0


def test_an_estimate_is_in_proportion_to_the_budget() -> None:
    short, long = (
        estimate_seconds(tiny_hyperparameters(), Budget(epochs=n, pairs_per_epoch=64), "cpu")
        for n in (1, 1000)
    )
    assert 0 < short < long < 1000


def test_an_estimate_is_of_recorded_steps_where_training_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[int] = []

    def recorded(step: Callable[[], Tensor], *_: Any) -> Callable[[], Tensor]:
        step()

        def replay() -> Tensor:
            taken.append(1)
            return torch.zeros(())

        return replay

    budget = Budget(epochs=1000, pairs_per_epoch=64)
    plain = estimate_seconds(tiny_hyperparameters(), budget, "cpu")
    monkeypatch.setattr(model.training.cuda_graph, "can_record", lambda device: True)
    monkeypatch.setattr(model.training.cuda_graph, "record", recorded)
    assert estimate_seconds(tiny_hyperparameters(), budget, "cpu") < plain
    assert taken


def test_an_estimate_counts_the_drawings_validated_on() -> None:
    budget = Budget(epochs=10, pairs_per_epoch=60)
    plain, validated = (
        estimate_seconds(tiny_hyperparameters(), budget, "cpu", validated=n) for n in (0, 36_000)
    )
    assert 20 < validated / plain < 500  # 100 but for the noise of two timings


def test_an_estimate_is_that_of_a_quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget(epochs=1000, pairs_per_epoch=64)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    quiet = estimate_seconds(tiny_hyperparameters(), budget, "cpu")
    wall = time.perf_counter
    monkeypatch.setattr("time.perf_counter", lambda: 100 * wall())
    busy = estimate_seconds(tiny_hyperparameters(), budget, "cpu")
    assert busy < 10 * quiet
