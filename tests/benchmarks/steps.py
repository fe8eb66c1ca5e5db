"""The training step: the pipeline's share of it, and how near it comes to the machine's limit."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from model.net.siamese import SiameseNet, as_product
from model.training.cost import training_flops_per_pair
from model.training.cuda_graph import set_up
from model.training.trainer import Trainer
from tests import ROOT
from tests.benchmarks.harness import Context, Row, ratios
from tests.benchmarks.inputs import trainer_of


def pipeline(trainer: Trainer) -> tuple[Tensor, Tensor]:
    """Return what the pipeline makes for one step: images and ``same``."""
    images, same = trainer.minibatch()
    assert same is not None
    return images.flatten(0, 1), same


def ready_step(trainer: Trainer, images: Tensor, same: Tensor) -> Tensor:
    """The same step on tensors that lie ready."""
    trainer.optimiser.zero_grad()
    first, second = trainer.net.embed(images).unflatten(0, (-1, 2)).unbind(1)
    loss = F.binary_cross_entropy_with_logits(trainer.net.score(first, second), same)
    loss.backward()
    trainer.optimiser.step()
    return loss.detach()


def often(context: Context, step: Callable[[], object]) -> Callable[[], None]:
    """Return what takes as many steps as are timed together."""

    def steps() -> None:
        for _ in range(context.steps):
            step()

    return steps


def overhead(context: Context) -> Iterator[Row]:
    """Measure the whole step against the same on ready tensors."""
    for name, hyperparameters in context.configurations.items():
        pairs = context.pairs(name)
        drawings = context.drawings(hyperparameters)
        trainer = trainer_of(hyperparameters, drawings, pairs, context.device)
        images, same = pipeline(trainer)
        generators = (trainer.sampler.generator, trainer.generator)
        steps: dict[str, Callable[[], object]] = {
            "whole": trainer.step,
            "ready": set_up(
                lambda t=trainer, i=images, s=same: ready_step(t, i, s), trainer.device
            ),
            "pipeline": set_up(lambda t=trainer: pipeline(t), trainer.device, generators),
        }
        if trainer.recordable:
            steps["eager"] = trainer._step
        variants = {kind: often(context, step) for kind, step in steps.items()}
        taken = context.interleaved(variants, repeats=3)
        note = f"{pairs} pairs, {drawings.size} px"
        more = [100 * (r - 1) for r in ratios(taken["whole"], taken["ready"])]
        yield Row(
            "overhead", f"{name}: step with pipeline over ready tensors", more, "%", 5, True, note
        )
        share = [100 * r for r in ratios(taken["pipeline"], taken["ready"])]
        yield Row(
            "overhead", f"{name}: pipeline alone over a ready step", share, "%", 5, True, note
        )
        speed = [context.steps * pairs / seconds for seconds in taken["whole"]]
        wanted = 25_000 if trainer.recordable and name == "paper" else None
        yield Row("overhead", f"{name}: training", speed, "pairs/s", wanted, note=note)
        if trainer.recordable:
            gain = ratios(taken["eager"], taken["whole"])
            yield Row("overhead", f"{name}: recorded over eager steps", gain, "x", note=note)


def products(context: Context) -> Iterator[Row]:
    """Measure a plain large matrix product in both precisions."""
    side = {"toy": 64, "quick": 1536}.get(context.size, 2048)
    side = 8192 if context.device.type == "cuda" else side
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (torch.rand(side, side, device=context.device).to(dtype) for _ in range(2))
        taken = context.interleaved({"matmul": lambda a=a, b=b: a @ b}, repeats=3)["matmul"]
        speed = [2 * side**3 / seconds / 1e9 for seconds in taken]
        yield Row("limit", f"matmul {side}, {str(dtype)[6:]}", speed, "GFLOP/s")


def embed(
    net: SiameseNet,
    images: Tensor,
    layout: torch.memory_format,
    pool_first: bool,
    lowered: bool = False,
) -> Tensor:
    """Embed as `SiameseNet.embed` does, in a memory format and an order of one's own."""
    maps = images.contiguous(memory_format=layout)
    for i, convolution in enumerate(net.convolutions):
        maps = as_product(convolution, maps) if lowered and i == 0 else convolution(maps)
        steps: list[Callable[[Tensor], Tensor]] = [F.relu]
        if i < net.architecture.poolings:
            steps.insert(0 if pool_first else 1, lambda x: F.max_pool2d(x, 2))
        for step in steps:
            maps = step(maps)
    return net.fc(maps.flatten(1)).sigmoid()


def limit(context: Context) -> Iterator[Row]:
    """Measure the gradient of one minibatch in every variant, in GFLOP/s."""
    yield from products(context)
    kind = context.device.type
    for name, hyperparameters in context.configurations.items():
        pairs = 128 if kind == "cuda" else {"toy": 4, "compact": 64, "paper": 8}[name]
        architecture = hyperparameters.architecture
        size = architecture.image_size
        same = (torch.arange(pairs, device=context.device) % 2).float()
        images = torch.rand(2 * pairs, 1, size, size, device=context.device)
        nets = {
            layout: SiameseNet(architecture).to(context.device).to(memory_format=layout)
            for layout in (torch.channels_last, torch.contiguous_format)
        }

        def gradients(
            layout: torch.memory_format = torch.channels_last,
            bf16: bool = False,
            pool_first: bool = True,
            lowered: bool = False,
            threads: int = 0,
            forward: Callable[..., Tensor] = embed,
            nets: dict[torch.memory_format, SiameseNet] = nets,
            images: Tensor = images,
            same: Tensor = same,
        ) -> None:
            before = torch.get_num_threads()
            if threads:
                torch.set_num_threads(threads)
            net = nets[layout]
            with torch.autocast(kind, torch.bfloat16, enabled=bf16):
                embedded = forward(net, images, layout, pool_first, lowered)
            first, second = embedded.float().chunk(2)
            net.zero_grad()
            F.binary_cross_entropy_with_logits(net.score(first, second), same).backward()
            torch.set_num_threads(before)

        variants: dict[str, Callable[[], object]] = {
            "fp32, channels last": gradients,
            "fp32, default format": lambda g=gradients: g(torch.contiguous_format),
            "fp32, ReLU before pooling": lambda g=gradients: g(pool_first=False),
            "bf16, channels last": lambda g=gradients: g(bf16=True),
            "bf16, default format": lambda g=gradients: g(torch.contiguous_format, bf16=True),
            "fp32, conv1 as a product": lambda g=gradients: g(lowered=True),
            "bf16, conv1 as a product": lambda g=gradients: g(bf16=True, lowered=True),
            "bf16, ReLU before pooling": lambda g=gradients: g(bf16=True, pool_first=False),
        }
        if kind == "cpu":
            variants["fp32, 1 thread"] = lambda g=gradients: g(threads=1)
            variants["bf16, 1 thread"] = lambda g=gradients: g(bf16=True, threads=1)
        if context.size == "full" and (kind == "cuda" or shutil.which("g++")):
            compiled = torch.compile(embed)
            variants["fp32, compiled"] = lambda g=gradients, c=compiled: g(forward=c)
            variants["bf16, compiled"] = lambda g=gradients, c=compiled: g(bf16=True, forward=c)
        flops = training_flops_per_pair(architecture) * pairs
        for variant, seconds in context.interleaved(variants).items():
            speed = [flops / each / 1e9 for each in seconds]
            yield Row("limit", f"{name}: {variant}", speed, "GFLOP/s", note=f"{pairs} pairs")
    if kind == "cpu" and context.size != "toy":
        yield from processes(context)


_WORKER = """
import sys, time, torch
from tests.benchmarks.inputs import compact, toy, trainer_of
from tests.synthetic import synthetic
threads, span, device, net = int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:]
torch.set_num_threads(threads)
hyperparameters = {"compact": compact, "toy": toy}[net]()
drawings = synthetic((22,) * 3, 6, hyperparameters.architecture.image_size)
trainer = trainer_of(hyperparameters, drawings, 128, torch.device(device))
together = 50 if device == "cuda" else 1
def some():
    for _ in range(together):
        loss = trainer.step()
    loss.item() # waits for the device
some()
print("ready", flush=True)
sys.stdin.readline()
start, steps = time.perf_counter(), 0
while time.perf_counter() - start < span:
    some()
    steps += together
print(128 * steps / (time.perf_counter() - start), flush=True)
"""


def together(
    number: int, threads: int, span: str, device: str = "cpu", net: str = "compact"
) -> float:
    """Return the pairs a second of so many processes that train at the same time, all in all."""
    command = [sys.executable, "-c", _WORKER, str(threads), span, device, net]
    started = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(number)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in started)


def processes(context: Context) -> Iterator[Row]:
    """Measure one process with two threads against two with one, together."""
    span = "3" if context.size == "quick" else "10"
    totals: dict[str, list[float]] = {"1 process x 2 threads": [], "2 processes x 1 thread": []}
    for _ in range(min(context.rounds, 3)):
        for values, (number, threads) in zip(totals.values(), ((1, 2), (2, 1)), strict=True):
            values.append(together(number, threads, span))
    for what, values in totals.items():
        yield Row("limit", f"compact: {what}, both steps and pipeline", values, "pairs/s")
