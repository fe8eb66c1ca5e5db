"""Training on one GPU: its speed, its kernels, its losses, several trials at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch

from model.hyperparameters import Hyperparameters
from model.training.cost import training_flops_per_pair
from model.training.trainer import Trainer
from tests.benchmarks.__main__ import machine as named
from tests.benchmarks.gpu.kernels import fused_runs
from tests.benchmarks.harness import Context, Row, ratios
from tests.benchmarks.inputs import beyond_70, compact, paper, toy, trainer_of
from tests.benchmarks.steps import often, products, together

PAIRS = 128
GOAL = 25_000
"""Pairs a second that `paper` should train."""


def nets(context: Context) -> dict[str, Hyperparameters]:
    """Return the nets, or two toys, with and without batch normalisation."""
    if context.size != "toy":
        return {"paper": paper(), "compact": compact(), "beyond-70": beyond_70()}
    plain = toy()
    normalised = replace(plain.architecture, normalisation="batch")
    return {"paper": plain, "beyond-70": replace(plain, architecture=normalised)}


def variants(context: Context) -> dict[str, bool]:
    """Return what can run here, by whether it is fused."""
    return {"plain": False, **({"fused": True} if fused_runs(context.device) else {})}


def trainer(
    context: Context, hyperparameters: Hyperparameters, fused: bool, seed: int = 0
) -> Trainer:
    """Return a trainer of that net, its own minibatches or smaller ones for a toy."""
    pairs = 8 if context.size == "toy" else PAIRS
    drawings = context.drawings(hyperparameters)
    made = trainer_of(hyperparameters, drawings, pairs, context.device, seed)
    for net in (made.net, made.evaluated):
        net.fused = fused
    return made


def machine(context: Context) -> Iterator[Row | dict[str, Any]]:
    """Measure what the card can do at most: products, and bytes to and from memory."""
    yield {"machine": named(context.device), "data": context.source}
    yield from products(context)
    size = 2**20 if context.size == "toy" else 2**30
    a, b = (torch.empty(size, dtype=torch.uint8, device=context.device) for _ in range(2))
    taken = context.interleaved({"copy": lambda: b.copy_(a)}, repeats=3)["copy"]
    yield Row("machine", "memory, read and written", [2 * size / s / 1e9 for s in taken], "GB/s")


def training(context: Context) -> Iterator[Row]:
    """Measure whole steps, plain and fused in turns, and what memory they take."""
    for name, hyperparameters in nets(context).items():
        steps, memory = {}, {}
        ways = {way: (fused, False) for way, fused in variants(context).items()}
        if context.device.type == "cuda":
            ways |= {f"{way}, cuDNN searches": (fused, True) for way, (fused, _) in ways.items()}
        for way, (fused, searches) in ways.items():
            made = trainer(context, hyperparameters, fused)
            if context.device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
                before = torch.cuda.memory_allocated()
                with torch.backends.cudnn.flags(enabled=True, benchmark=searches):
                    for _ in range(5):  # the last of which is recorded
                        made.step()
                memory[way] = (torch.cuda.max_memory_allocated() - before) / 2**30
            steps[way] = often(context, made.step)
        pairs = made.hyperparameters.recipe.pairs_per_batch
        note = f"{pairs} pairs, {hyperparameters.architecture.image_size} px"
        taken = context.interleaved(steps)
        for way, seconds in taken.items():
            speed = [context.steps * pairs / each for each in seconds]
            wanted = GOAL if name == "paper" and context.size != "toy" else None
            yield Row("training", f"{name}, {way}", speed, "pairs/s", wanted, note=note)
            flops = training_flops_per_pair(hyperparameters.architecture)
            rate = [flops * each / 1e12 for each in speed]
            yield Row("training", f"{name}, {way}: arithmetic", rate, "TFLOP/s", note=note)
        for way, used in memory.items():
            yield Row("training", f"{name}, {way}: memory of a step", [used], "GiB", note=note)
        if "fused" in taken:
            gain = ratios(taken["plain"], taken["fused"])
            yield Row("training", f"{name}: fused over plain", gain, "x", note=note)


def profile(context: Context) -> Iterator[Row]:
    """Name the kernels that the device spends its time in, over eager steps."""
    cuda = context.device.type == "cuda"
    activity = torch.profiler.ProfilerActivity
    activities = [activity.CPU, *([activity.CUDA] if cuda else [])]
    time_of = "self_device_time_total" if cuda else "self_cpu_time_total"
    for name, hyperparameters in nets(context).items():
        for way, fused in variants(context).items():
            made = trainer(context, hyperparameters, fused)
            for _ in range(3):
                made._step()
            context.sync()
            with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
                for _ in range(5 if cuda else 1):
                    made._step()
                context.sync()
            kernels = {
                event.key: getattr(event, time_of)
                for event in profiler.key_averages()
                # On a GPU operators and the optimiser's annotation have their kernels' times, too.
                if not event.key.startswith("Optimizer.")
                and (not cuda or event.device_type == torch.autograd.DeviceType.CUDA)
            }
            total = sum(kernels.values()) or 1
            note = f"{total / (5 if cuda else 1):,.0f} us a step, {len(kernels)} kinds of kernels"
            shares = [("pooling", ("max_pool", "_bias_pool")), ("fused conv1", ("_conv_pool",))]
            shares += [("optimiser", ("multi_tensor", "foreach", "Adam"))]
            for what, marks in shares:
                part = sum(t for key, t in kernels.items() if any(mark in key for mark in marks))
                share = [100 * part / total]
                yield Row("profile", f"{name}, {way}: {what}, by name", share, "%", note=note)
            for key, taken in sorted(kernels.items(), key=lambda item: -item[1])[:12]:
                yield Row("profile", f"{name}, {way}: {key[:90]}", [100 * taken / total], "%")


def losses(context: Context) -> Iterator[Row]:
    """Train `paper` from the same seeds, plain, plain again and fused, and compare the losses.

    Equal losses: those of the last tenth of the steps are no further apart than one part in a
    hundred, or than three times what plain training differs from itself, since a GPU adds in any
    order and every step magnifies that.
    """
    hyperparameters = nets(context)["paper"]
    seeds, steps = (1, 10) if context.size == "toy" else (3, 800)
    differences = {}
    for seed in range(seeds):
        ended = {}
        ways = {"plain": False, "plain again": False, **variants(context)}
        for way, fused in ways.items():
            torch.manual_seed(seed)
            made = trainer(context, hyperparameters, fused, seed)
            every = torch.stack([made.step().clone() for _ in range(steps)])
            curve = every.view(10, -1).mean(1).tolist()
            yield Row("losses", f"paper, {way}, seed {seed}", curve, "", note=f"{steps} steps")
            ended[way] = curve[-1]
            if way != "plain":
                differences[way, seed] = abs(ended[way] / ended["plain"] - 1)
    again = max(value for (way, _), value in differences.items() if way == "plain again")
    most = max(0.01, 3 * again)
    for way in dict.fromkeys(way for way, _ in differences):
        apart = [value for (each, _), value in differences.items() if each == way]
        yield Row("losses", f"paper, {way}: apart from plain", [max(apart)], "", most, True)


def workers(context: Context) -> Iterator[Row]:
    """Measure all pairs a second of 1, 2 and 4 trials of `compact` at a time on one card.

    As processes, which is what ``--workers`` starts; these share the card by taking turns, unless
    the machine runs CUDA's multi-process service. As threads, each with a stream, whose kernels run
    side by side: what could be gained.
    """
    toys = context.size == "toy"
    net = "toy" if toys else "compact"
    for number in (1,) if toys else (1, 2, 4):
        span = "0.2" if toys else "4"
        total = together(number, 1, span, context.device.type, net)
        yield Row("workers", f"{net}: {number} processes", [total], "pairs/s")
    for number in (1, 2) if toys else (1, 2, 4):
        total = _threads(context, number, 0.2 if toys else 4.0)
        yield Row("workers", f"{net}: {number} threads", [total], "pairs/s")


def _threads(context: Context, number: int, span: float) -> float:
    """Return the pairs a second of so many trainers in threads of this process, all in all."""
    hyperparameters = toy() if context.size == "toy" else compact()
    trainers = [trainer(context, hyperparameters, False, seed) for seed in range(number)]
    for made in trainers:
        for _ in range(5):  # the last of which is recorded, on a GPU
            made.step()
    context.sync()
    counts = [0] * number
    end = time.perf_counter() + span

    def train(which: int) -> None:
        cuda = context.device.type == "cuda"
        stream = torch.cuda.Stream() if cuda else None
        with torch.cuda.stream(stream) if stream else nullcontext():
            while time.perf_counter() < end:
                for _ in range(context.steps):
                    loss = trainers[which].step()
                loss.item()
                counts[which] += context.steps

    threads = [threading.Thread(target=train, args=(which,)) for which in range(number)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pairs = trainers[0].hyperparameters.recipe.pairs_per_batch
    return sum(counts) * pairs / (time.perf_counter() - start)
