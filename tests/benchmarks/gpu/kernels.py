"""The fused kernels beside what they stand in for, and which of their blocks are the fastest."""

import copy
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.net.siamese import as_product
from model.training.cuda_graph import set_up
from tests.benchmarks.harness import Context, Row
from tests.benchmarks.steps import often


def _blocks(*sizes: int) -> dict[str, int]:
    places, filters, *pixels, warps = sizes
    names = ("BLOCK_P", "BLOCK_F", *["BLOCK_K" for _ in pixels], "num_warps")
    return dict(zip(names, (places, filters, *pixels, warps), strict=True))


CANDIDATES = {
    "POOL": [_blocks(32, 64, 4), _blocks(16, 64, 4), _blocks(64, 64, 8), _blocks(16, 128, 4)],
    "FORWARD": [
        _blocks(64, 64, 32, 8),
        _blocks(64, 64, 32, 4),
        _blocks(64, 64, 64, 8),
        _blocks(128, 64, 32, 8),
    ],
    "BACKWARD": [
        _blocks(32, 64, 128, 8),
        _blocks(32, 64, 128, 4),
        _blocks(64, 64, 64, 4),
        _blocks(64, 64, 64, 8),
        _blocks(64, 64, 128, 8),
    ],
}


@cache
def fused_runs(device: torch.device) -> bool:
    """Return whether Triton's kernels run here, or are interpreted; say on stderr why not."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if find_spec("triton") is None or not (device.type == "cuda" or interpreted):
        return False
    try:
        fused(
            nn.Conv2d(1, 16, 3).to(device), torch.zeros(1, 1, 8, 8, device=device)
        ).sum().backward()
    except Exception as error:  # Triton compiles with the machine's own C compiler, if there is one
        print(f"no fused kernels: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    return True


def use_blocks(blocks: dict[str, dict[str, int]]) -> None:
    """Let the kernels work on these blocks, given by the name of their constant."""
    if blocks:
        from model.net import fused

        for name, sizes in blocks.items():
            setattr(fused, name, sizes)


Pooled = Callable[[nn.Conv2d, Tensor], Tensor]


def plain(convolution: nn.Conv2d, maps: Tensor) -> Tensor:
    """Compute what is fused, one by one."""
    return F.relu(F.max_pool2d(convolution(maps), 2))


def product(convolution: nn.Conv2d, maps: Tensor) -> Tensor:
    """Compute it with conv1 as one matrix product."""
    return F.relu(F.max_pool2d(as_product(convolution, maps), 2))


def alone(convolution: nn.Conv2d, maps: Tensor) -> Tensor:
    """Compute the convolution and its bias."""
    result: Tensor = convolution(maps)
    return result


def searching(work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Return the same with the fastest of cuDNN's algorithms, which its first call looks for."""

    def searched() -> Tensor:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            return work()

    return searched


def fused(convolution: nn.Conv2d, maps: Tensor) -> Tensor:
    """Compute it in the fused kernels."""
    from model.net.fused import convolve_and_pool

    return convolve_and_pool(convolution, maps, True)


class Layer:
    """One pooled layer on random input, forward alone or with its gradients.

    On a GPU in bfloat16, as it is trained.
    """

    def __init__(self, context: Context, shape: tuple[int, int, int, int], batch: int):
        channels, filters, side, size = shape
        torch.manual_seed(0)
        self.device = context.device
        convolution = nn.Conv2d(channels, filters, side).to(self.device)
        self.convolution = convolution.to(memory_format=torch.channels_last)
        maps = torch.rand(batch, channels, size, size, device=self.device)
        self.maps = maps.contiguous(memory_format=torch.channels_last)
        if channels > 1:
            low = torch.bfloat16 if self.device.type == "cuda" else torch.float32
            self.maps = self.maps.to(low).requires_grad_()
        self.ready: dict[torch.Size, Tensor] = {}

    def forward(self, compute: Pooled) -> Tensor:
        """Compute in what the layer is trained in."""
        cuda = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=cuda):
            return compute(self.convolution, self.maps)

    def both(self, compute: Pooled) -> Tensor:
        """Compute the gradients, too."""
        self.convolution.zero_grad()
        self.maps.grad = None
        pooled = self.forward(compute)
        if pooled.shape not in self.ready:
            self.ready[pooled.shape] = torch.randn_like(pooled)
        pooled.backward(self.ready[pooled.shape])
        # A graph of gradients that outlived its recording would have the next one wait for it.
        return pooled.detach()

    def gradients(self, compute: Pooled) -> list[Tensor]:
        """Return those of weight, bias and, where it has one, input."""
        self.both(compute)
        gradients = [each.grad for each in (*self.convolution.parameters(), self.maps)]
        return [each.double() for each in gradients if each is not None]

    def exact(self) -> list[Tensor]:
        """Return the same, computed in double precision on the same input."""
        convolution = copy.deepcopy(self.convolution).double()
        maps = self.maps.detach().double().requires_grad_(self.maps.requires_grad)
        convolution.zero_grad()
        pooled = plain(convolution, maps)
        pooled.backward(self.ready[pooled.shape].double())
        gradients = [each.grad for each in (*convolution.parameters(), maps)]
        return [each for each in gradients if each is not None]


def kernels(context: Context) -> Iterator[Row | dict[str, Any]]:
    """Measure each layer of the paper's net that is pooled, and try the kernels' blocks."""
    small = context.size == "toy"
    # Channels, filters, kernel and the input's side; conv2 and conv3 decide on the pooling's.
    layers = {"conv1": (1, 16, 3, 9), "conv2": (4, 16, 3, 8)}
    if not small:
        layers = {"conv1": (1, 64, 10, 105), "conv2": (64, 128, 7, 48), "conv3": (128, 128, 4, 21)}
    batch = 2 if small else 256
    best: dict[str, dict[str, int]] = {}
    for name, shape in layers.items():
        layer = Layer(context, shape, batch)
        note = f"{batch} images, {shape[0]} to {shape[1]} channels"
        ways: dict[str, Pooled] = {"plain": plain}
        if name == "conv1":
            ways["as product"] = product
        if fused_runs(context.device):
            yield from agreement(layer, name, note)
            for constant in ("FORWARD", "BACKWARD") if name == "conv1" else ("POOL",):
                if constant not in best:
                    yield from fastest(context, layer, name, constant, best)
            ways["fused"] = fused
        if name != "conv1":
            yield from convolutions(context, layer, name, shape)
        for what, compute in (("forward", layer.forward), ("forward and backward", layer.both)):
            with torch.set_grad_enabled(compute == layer.both):
                taken = timed(context, {way: partial(compute, each) for way, each in ways.items()})
            for way, values in taken.items():
                yield Row("kernels", f"{name}, {way}: {what}", values, "us", note=note)
    yield {"blocks": best}


def convolutions(
    context: Context, layer: Layer, name: str, shape: tuple[int, int, int, int]
) -> Iterator[Row]:
    """Measure cuDNN's share: the arithmetic of a convolution, forward and backward."""
    channels, filters, side, size = shape
    whole = partial(layer.both, alone)
    taken = timed(context, {"convolution alone": whole, "cuDNN searches": searching(whole)})
    places = len(layer.maps) * (size - side + 1) ** 2
    flops = 3 * 2 * places * filters * channels * side**2
    for way, values in taken.items():
        speed = [flops / each / 1e6 for each in values]
        yield Row("kernels", f"{name}, {way}", speed, "TFLOP/s")


def timed(context: Context, variants: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Return microseconds of each, round by round; on a GPU of a recorded graph of it."""
    set_ups = {way: often(context, set_up(work, context.device)) for way, work in variants.items()}
    taken = context.interleaved(set_ups)
    return {way: [1e6 * each / context.steps for each in values] for way, values in taken.items()}


def agreement(layer: Layer, name: str, note: str) -> Iterator[Row]:
    """Measure how far the gradients are from those in double precision: no further than plain."""
    found = [layer.gradients(way) for way in (plain, fused)]
    exact = layer.exact()
    apart = [
        max(float((a - b).norm() / b.norm()) for a, b in zip(each, exact, strict=True))
        for each in found
    ]
    most = max(1e-5, 1.2 * apart[0])
    for way, error, target in zip(("plain", "fused"), apart, (None, most), strict=True):
        what = f"{name}, {way}: error of gradients"
        yield Row("kernels", what, [error], "of norm", target, target is not None, note)


def fastest(
    context: Context, layer: Layer, name: str, constant: str, best: dict[str, dict[str, int]]
) -> Iterator[Row]:
    """Time each candidate for a constant, and leave the fastest set and in ``best``."""
    median = float("inf")
    grad = constant != "FORWARD"
    candidates = CANDIDATES[constant][:2] if context.size == "toy" else CANDIDATES[constant]
    for sizes in candidates:
        use_blocks({constant: sizes})
        shown = "x".join(map(str, sizes.values()))
        try:
            with torch.set_grad_enabled(grad):
                work = layer.both if grad else layer.forward
                values = timed(context, {"": lambda w=work: w(fused)})[""]
        except Exception as error:  # too large for this GPU's shared memory or registers
            row = Row("kernels", f"{name}, {constant} {shown}", [0.0], "us")
            yield Row(**{**vars(row), "note": f"{type(error).__name__}: {error}"[:120]})
            continue
        row = Row("kernels", f"{name}, {constant} {shown}", values, "us")
        yield row
        if row.median < median:
            median, best[constant] = row.median, sizes
    if constant in best:
        use_blocks({constant: best[constant]})
