"""Convolution, bias, 2 x 2 max-pooling and ReLU in few kernels of Triton's, for GPUs.

What is pooled away is never written: conv1's kernel gathers the patches of a block of images,
multiplies them on the tensor cores and keeps a window's largest; where the convolution is cuDNN's,
one kernel does all that follows it. Of each window a byte is kept: which of its four places the
gradient goes to, or none. So the backward pass need not compute conv1 anew to find the largest,
which would cost as much arithmetic again, nor read the output for ReLU; int64 indices are eight
times as many bytes.

Importing this needs Triton, which comes with PyTorch's CUDA builds for Linux; so `SiameseNet`
imports it only where it is used. The kernels need Triton 3.2 or newer.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

NOWHERE = tl.constexpr(4)
"""The place of a window that ReLU leaves without a gradient; the others are 0 to 3, row by row."""
SPLITS = 512
"""Most parts in which conv1's gradient is added up, some for each of a GPU's processors."""
# Blocks of pooled places, of filters and of a patch's pixels. Fixed, since a tuner would time
# kernels within the recording of a CUDA graph; `python -m tests.benchmarks.gpu` tries others.
FORWARD = {"BLOCK_P": 64, "BLOCK_F": 64, "BLOCK_K": 32, "num_warps": 8}
BACKWARD = {"BLOCK_P": 32, "BLOCK_F": 64, "BLOCK_K": 128, "num_warps": 8}
POOL = {"BLOCK_P": 32, "BLOCK_F": 64, "num_warps": 4}


def convolve_and_pool(convolution: nn.Conv2d, maps: Tensor, relu: bool) -> Tensor:
    """Return ``max_pool2d(convolution(maps), 2)``, after ReLU if ``relu``.

    The same as by PyTorch's own, but for the order of sums and for gradients of weights and biases,
    which bfloat16 does not round. Of equal values in a window the first has the gradient.

    Args:
        convolution: of any shape, with a bias.
        maps: ``[B, C, H, W]`` on a GPU.
        relu: whether ReLU follows.

    Returns:
        ``[B, filters, H' // 2, W' // 2]`` in channels-last order, in autocast's type if it is on.
    """
    weight, bias = convolution.weight, convolution.bias
    # conv1's kernel pads nothing and computes no gradient of its images: what follows a layer of
    # one filter has one channel, too, but may need both.
    images = convolution.in_channels == 1 and not maps.requires_grad
    if not images or convolution.padding not in ("valid", (0, 0)):
        maps = convolution._conv_forward(maps, weight, None)
        pooled: Tensor = _BiasPool.apply(maps, bias, relu)
        return pooled
    kind = maps.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else maps.dtype
    pooled = _ConvPool.apply(maps.to(dtype), weight, bias, convolution.stride[0], relu)
    return pooled


class _ConvPool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, stride: int, relu: bool
    ) -> Tensor:
        images = images.contiguous()
        (batch, _, height, width), (filters, _, side, _) = images.shape, weight.shape
        rows, columns = (((n - side) // stride + 1) // 2 for n in (height, width))
        places = batch * rows * columns
        pooled, kept = _empty(batch, rows, columns, filters, like=images)
        sizes = (places, rows, columns, height, width, filters)
        blocks = _fitting(FORWARD, filters, side * side)
        grid = _grid(places, filters, blocks)
        flat = weight.detach().reshape(filters, -1).to(images.dtype).contiguous()
        _conv_pool_forward[grid](
            images, flat, bias, pooled, kept, *sizes, SIDE=side, STRIDE=stride, RELU=relu, **blocks
        )
        ctx.save_for_backward(images, kept)
        ctx.sizes, ctx.side, ctx.stride, ctx.shape = sizes, side, stride, weight.shape
        return pooled.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, kept = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        places, *_, filters = ctx.sizes
        length = ctx.side**2
        blocks = _fitting(BACKWARD, filters, length)
        most, across = _grid(places, filters, blocks)
        splits = min(SPLITS, most)
        weights = images.new_empty(splits, length, filters, dtype=torch.float32)
        biases = images.new_empty(splits, filters, dtype=torch.float32)
        grid = splits, across, triton.cdiv(length, blocks["BLOCK_K"])
        _conv_pool_backward[grid](
            images, gradient, kept, weights, biases, *ctx.sizes, splits,
            TURNS=triton.cdiv(most, splits), SIDE=ctx.side, STRIDE=ctx.stride, **blocks,
        )  # fmt: skip
        return None, weights.sum(0).T.reshape(ctx.shape), biases.sum(0), None, None


class _BiasPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, bias: Tensor, relu: bool) -> Tensor:
        maps = maps.contiguous(memory_format=torch.channels_last)
        batch, filters, height, width = ctx.shape = maps.shape
        rows, columns = height // 2, width // 2
        pooled, kept = _empty(batch, rows, columns, filters, like=maps)
        ctx.sizes = batch * rows * columns, rows, columns, height, width, filters
        blocks = _fitting(POOL, filters)
        grid = _grid(ctx.sizes[0], filters, blocks)
        _bias_pool_forward[grid](maps, bias, pooled, kept, *ctx.sizes, RELU=relu, **blocks)
        ctx.save_for_backward(kept)
        return pooled.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (kept,) = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        batch, filters, height, width = ctx.shape
        # What is in no window, the last of an odd number of rows, has no gradient.
        new = gradient.new_zeros if height % 2 or width % 2 else gradient.new_empty
        maps = new(batch, height, width, filters)
        blocks = _fitting(POOL, filters)
        grid = _grid(ctx.sizes[0], filters, blocks)
        biases = gradient.new_empty(grid[0], filters, dtype=torch.float32)
        _bias_pool_backward[grid](gradient, kept, maps, biases, *ctx.sizes, **blocks)
        return maps.permute(0, 3, 1, 2), biases.sum(0), None


def _empty(*shape: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return room for pooled maps ``[B, H, W, filters]``, and for a byte of each."""
    return like.new_empty(shape), like.new_empty(shape, dtype=torch.uint8)


def _fitting(blocks: dict[str, int], filters: int, length: int = 16) -> dict[str, int]:
    """Return the blocks, none larger than it needs; the least side of a product is 16."""
    most = {"BLOCK_F": filters, "BLOCK_K": length}
    return {
        name: min(size, max(16, triton.next_power_of_2(most[name]))) if name in most else size
        for name, size in blocks.items()
    }


def _grid(places: int, filters: int, blocks: dict[str, int]) -> tuple[int, int]:
    return triton.cdiv(places, blocks["BLOCK_P"]), triton.cdiv(filters, blocks["BLOCK_F"])


@triton.jit
def _largest(y, best, place, number: tl.constexpr):  # type: ignore[no-untyped-def]
    """Compare the window's next value; as in PyTorch the first of equals stays and NaN wins."""
    larger = (y > best) | (y != y)
    return tl.where(larger, y, best), tl.where(larger, number, place)


@triton.jit
def _pool(y0, y1, y2, y3, b, kind: tl.constexpr, RELU: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return a window's largest, bias added, and its place.

    Each is rounded to ``kind`` before they are compared, so that ties fall as in maps of that type.
    """
    best = (y0 + b).to(kind).to(tl.float32)
    place = tl.zeros(best.shape, tl.int32)
    best, place = _largest((y1 + b).to(kind).to(tl.float32), best, place, 1)
    best, place = _largest((y2 + b).to(kind).to(tl.float32), best, place, 2)
    best, place = _largest((y3 + b).to(kind).to(tl.float32), best, place, 3)
    if RELU:
        place = tl.where(best <= 0, NOWHERE, place)
        best = tl.where(best <= 0, 0.0, best)
    return best, place


@triton.jit
def _corner(p, rows, columns, height, width, STRIDE: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return where in all images the window of pooled place ``p`` begins."""
    row, column = p // columns % rows, p % columns
    image = p // (rows * columns)
    return (image * height + row * 2 * STRIDE) * width + column * 2 * STRIDE


@triton.jit
def _conv_pool_forward(  # type: ignore[no-untyped-def]
    images, weight, bias, pooled, kept, places, rows, columns, height, width, filters,
    SIDE: tl.constexpr, STRIDE: tl.constexpr, RELU: tl.constexpr,
    BLOCK_P: tl.constexpr, BLOCK_F: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    LENGTH: tl.constexpr = SIDE * SIDE
    p = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    f = tl.program_id(1) * BLOCK_F + tl.arange(0, BLOCK_F)
    # Places beyond the last read the last's patch, and pixels beyond a patch's end its first, whose
    # weight is zero: so no load of pixels needs a mask.
    corner = _corner(tl.minimum(p, places - 1), rows, columns, height, width, STRIDE)
    y0 = tl.zeros((BLOCK_P, BLOCK_F), tl.float32)
    y1 = tl.zeros((BLOCK_P, BLOCK_F), tl.float32)
    y2 = tl.zeros((BLOCK_P, BLOCK_F), tl.float32)
    y3 = tl.zeros((BLOCK_P, BLOCK_F), tl.float32)
    for start in range(0, LENGTH, BLOCK_K):
        k = start + tl.arange(0, BLOCK_K)
        known = (k < LENGTH)[:, None] & (f < filters)[None, :]
        w = tl.load(weight + f[None, :] * LENGTH + k[:, None], mask=known, other=0.0)
        pixel = tl.where(k < LENGTH, k // SIDE * width + k % SIDE, 0)
        patch = images + corner[:, None] + pixel[None, :]
        below = patch + STRIDE * width
        y0 = tl.dot(tl.load(patch), w, y0, input_precision="ieee")
        y1 = tl.dot(tl.load(patch + STRIDE), w, y1, input_precision="ieee")
        y2 = tl.dot(tl.load(below), w, y2, input_precision="ieee")
        y3 = tl.dot(tl.load(below + STRIDE), w, y3, input_precision="ieee")
    b = tl.load(bias + f, mask=f < filters, other=0.0)[None, :]
    kind: tl.constexpr = pooled.dtype.element_ty
    best, place = _pool(y0, y1, y2, y3, b, kind, RELU)
    out = p.to(tl.int64)[:, None] * filters + f[None, :]
    known = (p < places)[:, None] & (f < filters)[None, :]
    tl.store(pooled + out, best.to(kind), mask=known)
    tl.store(kept + out, place.to(tl.uint8), mask=known)


@triton.jit
def _conv_pool_backward(  # type: ignore[no-untyped-def]
    images, gradient, kept, weights, biases, places, rows, columns, height, width, filters, splits,
    TURNS: tl.constexpr, SIDE: tl.constexpr, STRIDE: tl.constexpr,
    BLOCK_P: tl.constexpr, BLOCK_F: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    LENGTH: tl.constexpr = SIDE * SIDE
    split = tl.program_id(0)
    f = tl.program_id(1) * BLOCK_F + tl.arange(0, BLOCK_F)
    k = tl.program_id(2) * BLOCK_K + tl.arange(0, BLOCK_K)
    pixel = tl.where(k < LENGTH, k // SIDE * width + k % SIDE, 0)
    product = tl.zeros((BLOCK_K, BLOCK_F), tl.float32)
    total = tl.zeros((BLOCK_F,), tl.float32)
    for turn in range(TURNS):
        p = (turn * splits + split) * BLOCK_P + tl.arange(0, BLOCK_P)
        out = p.to(tl.int64)[:, None] * filters + f[None, :]
        known = (p < places)[:, None] & (f < filters)[None, :]
        g = tl.load(gradient + out, mask=known, other=0.0)
        place = tl.load(kept + out, mask=known, other=NOWHERE)
        none = tl.zeros_like(g)
        total += tl.sum(tl.where(place < NOWHERE, g, none).to(tl.float32), 0)
        corner = _corner(tl.minimum(p, places - 1), rows, columns, height, width, STRIDE)
        patch = images + pixel[:, None] + corner[None, :]
        below = patch + STRIDE * width
        g0, g1 = tl.where(place == 0, g, none), tl.where(place == 1, g, none)
        g2, g3 = tl.where(place == 2, g, none), tl.where(place == 3, g, none)
        product = tl.dot(tl.load(patch), g0, product, input_precision="ieee")
        product = tl.dot(tl.load(patch + STRIDE), g1, product, input_precision="ieee")
        product = tl.dot(tl.load(below), g2, product, input_precision="ieee")
        product = tl.dot(tl.load(below + STRIDE), g3, product, input_precision="ieee")
    known = (k < LENGTH)[:, None] & (f < filters)[None, :]
    tl.store(weights + (split * LENGTH + k[:, None]) * filters + f[None, :], product, mask=known)
    if tl.program_id(2) == 0:
        tl.store(biases + split * filters + f, total, mask=f < filters)


@triton.jit
def _bias_pool_forward(  # type: ignore[no-untyped-def]
    maps, bias, pooled, kept, places, rows, columns, height, width, filters,
    RELU: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_F: tl.constexpr,
):  # fmt: skip
    p = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    f = tl.program_id(1) * BLOCK_F + tl.arange(0, BLOCK_F)
    known = (p < places)[:, None] & (f < filters)[None, :]
    corner = _corner(p, rows, columns, height, width, 1).to(tl.int64)
    window = maps + corner[:, None] * filters + f[None, :]
    below = window + width * filters
    b = tl.load(bias + f, mask=f < filters, other=0.0)[None, :]
    kind: tl.constexpr = pooled.dtype.element_ty
    y0, y1 = tl.load(window, mask=known), tl.load(window + filters, mask=known)
    y2, y3 = tl.load(below, mask=known), tl.load(below + filters, mask=known)
    best, place = _pool(y0, y1, y2, y3, b, kind, RELU)
    out = p.to(tl.int64)[:, None] * filters + f[None, :]
    tl.store(pooled + out, best.to(kind), mask=known)
    tl.store(kept + out, place.to(tl.uint8), mask=known)


@triton.jit
def _bias_pool_backward(  # type: ignore[no-untyped-def]
    gradient, kept, maps, biases, places, rows, columns, height, width, filters,
    BLOCK_P: tl.constexpr, BLOCK_F: tl.constexpr,
):  # fmt: skip
    p = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    f = tl.program_id(1) * BLOCK_F + tl.arange(0, BLOCK_F)
    known = (p < places)[:, None] & (f < filters)[None, :]
    out = p.to(tl.int64)[:, None] * filters + f[None, :]
    g = tl.load(gradient + out, mask=known, other=0.0)
    place = tl.load(kept + out, mask=known, other=NOWHERE)
    none = tl.zeros_like(g)
    corner = _corner(p, rows, columns, height, width, 1).to(tl.int64)
    window = maps + corner[:, None] * filters + f[None, :]
    below = window + width * filters
    tl.store(window, tl.where(place == 0, g, none), mask=known)
    tl.store(window + filters, tl.where(place == 1, g, none), mask=known)
    tl.store(below, tl.where(place == 2, g, none), mask=known)
    tl.store(below + filters, tl.where(place == 3, g, none), mask=known)
    total = tl.sum(tl.where(place < NOWHERE, g, none).to(tl.float32), 0)
    tl.store(biases + tl.program_id(0) * filters + f, total, mask=f < filters)
