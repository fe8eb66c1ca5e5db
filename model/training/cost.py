"""What a configuration costs, known before it trains: arithmetic, memory, seconds."""

import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import torch
import torch.nn.functional as F
from torch import Tensor

from model.hyperparameters import Architecture, Budget, Hyperparameters
from model.net.siamese import SiameseNet, product_width
from model.training.cuda_graph import set_up
from model.training.precision import set_precision

# Of the memory that is free, the part that activations may take; the rest is for gradients, the
# optimiser and whoever else lives on the machine.
MEMORY_SHARE = 0.4

_PASSES = 6
"""Forward passes of one drawing that cost as much as a step on a pair: 2 drawings, 3 times."""


def training_flops_per_pair(architecture: Architecture) -> int:
    """Return the floating-point operations of one pair's forward and backward pass.

    A multiply and an add are two operations; the backward pass costs twice the forward one.
    """
    multiplications = 0
    channels = 1
    for filters, kernel, (before, _) in zip(
        architecture.filters, architecture.kernel_sizes, architecture.map_sizes(), strict=True
    ):
        multiplications += before**2 * filters * channels * kernel**2
        channels = filters
    side = architecture.map_sizes()[-1][1]
    multiplications += channels * side**2 * architecture.units + architecture.units
    return 2 * 3 * 2 * multiplications


def within_cost(budget: Budget, architecture: Architecture) -> Budget:
    """Return ``budget`` with as many pairs an epoch as its ``teraflops`` allow this net."""
    if budget.teraflops is None:
        return budget
    affordable = budget.teraflops * 1e12 / training_flops_per_pair(architecture)
    pairs = max(1, min(budget.pairs_per_epoch, int(affordable / budget.epochs)))
    return replace(budget, pairs_per_epoch=pairs)


def activation_bytes_per_pair(architecture: Architecture, as_product: bool = False) -> int:
    """Return about how many bytes one pair's activations hold until its backward pass.

    ``as_product``: conv1 is computed as one product (`as_product`), which keeps its patches.
    """
    numbers = architecture.image_size**2
    for i, (filters, (before, after)) in enumerate(
        zip(architecture.filters, architecture.map_sizes(), strict=True)
    ):
        copies = 3 if architecture.normalisation == "batch" else 2
        numbers += copies * filters * before**2
        if i < architecture.poolings:
            # The pooled map, its ReLU, and the int64 places of the maxima.
            numbers += 4 * filters * after**2
    if as_product:
        kernel, (before, _) = architecture.kernel_sizes[0], architecture.map_sizes()[0]
        numbers += kernel * product_width(kernel) * before**2
    return 2 * 4 * (numbers + 3 * architecture.units)


def available_memory(device: torch.device) -> int:
    """Return the bytes that activations may take on ``device`` now."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = psutil.virtual_memory().available
    return int(free * MEMORY_SHARE)


def pairs_that_fit(architecture: Architecture, memory: int, as_product: bool = False) -> int:
    """Return how many pairs' activations fit ``memory`` bytes, at least one."""
    return max(1, memory // activation_bytes_per_pair(architecture, as_product))


def estimate_seconds(
    hyperparameters: Hyperparameters,
    budget: Budget,
    device: torch.device | str,
    validated: int = 0,
) -> float:
    """Return the wall seconds of training and validation for the whole budget, here and to itself.

    From timing a few steps, which takes about a second for a small net.

    Args:
        hyperparameters: what is trained.
        budget: how long, early stopping left out.
        device: on what.
        validated: drawings that each epoch is validated on; a forward pass of each is a sixth of
            a pair's step.
    """
    device = torch.device(device)
    architecture = hyperparameters.architecture
    net = SiameseNet(architecture).to(device)
    set_precision(net, hyperparameters.recipe, device)
    fits = pairs_that_fit(architecture, available_memory(device), net.conv1_as_product)
    # On a GPU as many as in training, since fewer take it as long.
    pairs = min(128 if device.type == "cuda" else 16, fits)
    images = torch.rand(2 * pairs, 1, architecture.image_size, architecture.image_size).to(device)
    same = (torch.arange(pairs, device=device) % 2).float()

    def gradients() -> Tensor:
        logits = net(images[:pairs], images[pairs:])
        loss = F.binary_cross_entropy_with_logits(logits, same)
        loss.backward()
        return loss.detach()

    step = set_up(gradients, device)

    def synchronised() -> None:
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    fastest = _fastest(synchronised, time.perf_counter)
    threads = torch.get_num_threads()
    if device.type == "cpu" and threads > 1:
        # Where others keep the machine busy, threads wait for each other many times as long as
        # they work. What one works by itself does not grow, and is never less.
        torch.set_num_threads(1)
        try:
            fastest = min(fastest, _fastest(step, time.thread_time))
        finally:
            torch.set_num_threads(threads)
    passes = validated * (3 if architecture.turns else 1)
    work = within_cost(budget, architecture).pairs_per_epoch + passes / _PASSES
    return fastest / pairs * work * budget.epochs


def _fastest(step: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the least time of a few steps: the first sets up, others may share the machine."""
    times = []
    for _ in range(5):
        start = clock()
        step()
        times.append(clock() - start)
    return min(times)
