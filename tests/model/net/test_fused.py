"""Triton's kernels against the plain path: on a GPU where there is one, else in its interpreter.

The interpreter must be asked for before Triton is imported, so that one test runs all others in a
process of their own. It has no arithmetic in bfloat16, for which float16 stands in.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from model.hyperparameters import Architecture
from model.net.siamese import SiameseNet
from tests import ROOT
from tests.model.support import TINY, random_images, tiny_hyperparameters, tiny_trainer

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
LOW = torch.float16 if INTERPRETED else torch.bfloat16

triton = pytest.importorskip("triton", reason="Triton is not installed")
from model.net import fused  # noqa: E402

runs = pytest.mark.skipif(
    DEVICE == "cpu" and not INTERPRETED,
    reason="no GPU: these run in Triton's interpreter, by test_all_of_it_in_the_interpreter",
)


@pytest.fixture(autouse=True, scope="module")
def no_tf32() -> Iterator[None]:
    """Else a GPU rounds the convolutions of float32 to eleven bits."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


@pytest.mark.skipif(INTERPRETED, reason="this is that process")
def test_all_of_it_in_the_interpreter() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-rs", "-p", "no:cacheprovider", __file__],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "these run in" not in done.stdout, "they have run"


def found(
    compute: Callable[[nn.Conv2d, Tensor, bool], Tensor],
    convolution: nn.Conv2d,
    maps: Tensor,
    relu: bool,
    low: bool,
    gradient: Tensor,
    device: str,
) -> list[Tensor]:
    """Return the pooled maps and the gradients of weight, bias and, if it is one of maps, input."""
    convolution = convolution.to(device)
    maps = maps.detach().to(device).requires_grad_(maps.shape[1] > 1)
    convolution.zero_grad()
    with torch.autocast(device, LOW, enabled=low):
        pooled = compute(convolution, maps, relu)
    pooled.backward(gradient.to(device, pooled.dtype))
    results = [pooled, convolution.weight.grad, convolution.bias.grad, maps.grad]
    return [each.detach().float().cpu() for each in results if each is not None]


def plain(convolution: nn.Conv2d, maps: Tensor, relu: bool) -> Tensor:
    pooled = F.max_pool2d(convolution(maps), 2)
    return F.relu(pooled) if relu else pooled


def both(
    channels: int, filters: int, side: int, stride: int, shape: tuple[int, int, int], **how: Any
) -> tuple[list[Tensor], list[Tensor]]:
    """Return what both paths find; with ``exact`` all sums are of small integers, and ties many."""
    generator = torch.Generator().manual_seed(how.get("seed", 0))
    batch, height, width = shape
    convolution = nn.Conv2d(channels, filters, side, stride).to(memory_format=torch.channels_last)
    rows, columns = (((n - side) // stride + 1) // 2 for n in (height, width))

    def drawn(*size: int, most: int) -> Tensor:
        if how.get("exact"):
            return torch.randint(-most, most + 1, size, generator=generator).float()
        return torch.randn(size, generator=generator)

    with torch.no_grad():
        convolution.weight.copy_(drawn(filters, channels, side, side, most=1))
        convolution.bias.copy_(drawn(filters, most=3))
    maps = drawn(batch, channels, height, width, most=1).clamp(min=0) * how.get("scale", 1)
    gradient = drawn(batch, filters, rows, columns, most=2)
    low, relu = how.get("low", False), how.get("relu", True)
    # Of small integers no type rounds the sums, but bfloat16 would those of the plain gradients.
    rounded = low and not how.get("exact")
    expected = found(plain, convolution, maps, relu, rounded, gradient, "cpu")
    return expected, found(fused.convolve_and_pool, convolution, maps, relu, low, gradient, DEVICE)


@runs
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
)
@given(
    channels=st.sampled_from([1, 1, 1, 3]),
    filters=st.sampled_from([1, 16, 48, 80, 130]),
    side=st.integers(3, 16),
    stride=st.integers(1, 2),
    room=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    relu=st.booleans(),
    low=st.booleans(),
    scale=st.sampled_from([1, 1, 0]),
)
def test_the_same_numbers_and_of_equals_the_first(
    channels: int,
    filters: int,
    side: int,
    stride: int,
    room: tuple[int, int],
    relu: bool,
    low: bool,
    scale: int,
) -> None:
    """Exactly, since integers have no rounding; blank images have nothing but ties."""
    if channels > 1:
        stride, side = 1, min(side, 5)
    shape = (2, *(side + stride * 2 * n - n % 2 for n in room))
    for expected, ours in zip(
        *both(channels, filters, side, stride, shape, relu=relu, low=low, scale=scale, exact=True),
        strict=True,
    ):
        assert torch.equal(expected, ours)


@runs
@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize(
    ("channels", "filters", "side", "shape"),
    [(1, 64, 10, (3, 27, 22)), (1, 256, 4, (1, 9, 11)), (20, 24, 3, (2, 12, 9))],
)
def test_rounding_costs_no_more_than_in_the_plain_path(
    channels: int,
    filters: int,
    side: int,
    shape: tuple[int, int, int],
    low: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rounded to few bits, two of a window may fall either way, in both paths."""
    monkeypatch.setattr(fused, "SPLITS", 2)  # so that each adds up several blocks
    exact, ours = both(channels, filters, side, 1, shape)
    plainly = [torch.zeros(())] * len(exact)
    if low:
        plainly, ours = both(channels, filters, side, 1, shape, low=True)
    for one, plain, other in zip(exact, plainly, ours, strict=True):
        allowed = 1.5 * (plain - one).norm() if low else 1e-5 * one.norm()
        assert (other - one).norm() <= allowed


@runs
@pytest.mark.parametrize("channels", [1, 3])
def test_what_relu_leaves_out_has_no_gradient(channels: int) -> None:
    convolution = nn.Conv2d(channels, 5, 3).to(DEVICE)
    nn.init.constant_(convolution.weight, -1.0)
    nn.init.zeros_(convolution.bias)
    # The second image is blank, and zero has no gradient in PyTorch either.
    maps = torch.ones(2, channels, 8, 8, device=DEVICE)
    maps[1] = 0
    pooled = fused.convolve_and_pool(convolution, maps, True)
    pooled.sum().backward()
    assert pooled.eq(0).all()
    assert convolution.weight.grad.eq(0).all()
    assert convolution.bias.grad.eq(0).all()


@runs
@pytest.mark.parametrize("channels", [1, 3])
def test_a_net_that_diverged_is_seen_to(channels: int) -> None:
    convolution = nn.Conv2d(channels, 2, 3).to(DEVICE)
    maps = torch.ones(1, channels, 10, 10, device=DEVICE)
    maps[..., 5, 5] = float("nan")
    expected = plain(convolution, maps, True)
    pooled = fused.convolve_and_pool(convolution, maps, True)
    assert torch.equal(pooled.isnan(), expected.isnan())
    assert 0 < pooled.isnan().sum() < pooled.numel()


@runs
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("needs_gradient", [False, True])
def test_maps_of_one_channel_need_not_be_images(padding: str, needs_gradient: bool) -> None:
    """Those of a layer of one filter need a gradient in training, and may be padded."""
    convolution = nn.Conv2d(1, 4, 3, padding=padding).to(DEVICE)
    maps = torch.rand(2, 1, 9, 10, device=DEVICE)
    results = []
    for compute in (plain, fused.convolve_and_pool):
        convolution.zero_grad()
        given = maps.clone().requires_grad_(needs_gradient)
        pooled = compute(convolution, given, True)
        pooled.square().sum().backward()
        assert (given.grad is not None) is needs_gradient
        results.append([pooled, convolution.weight.grad.clone(), given.grad])
    for one, other in zip(*results, strict=True):
        if one is not None:
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


@runs
@pytest.mark.parametrize(
    "changes",
    [
        {"poolings": 2, "kernel_sizes": (3, 2, 2, 2)},
        {"normalisation": "batch"},
        {"padding": "same", "poolings": 3},
        {"stride": 2, "image_size": 32, "centred": True},
        {"poolings": 0},
        {"poolings": 2, "filters": (1, 1, 6, 8), "kernel_sizes": (3, 2, 2, 2)},
        {"poolings": 3, "filters": (1, 6, 1, 8), "padding": "same", "turns": 5.0},
    ],
    ids=str,
)
def test_a_fused_net_is_the_same_net(changes: dict[str, Any]) -> None:
    architecture: Architecture = replace(TINY, **changes)
    images = random_images(5, architecture.image_size)
    results = []
    for is_fused, device in ((False, "cpu"), (True, DEVICE)):
        net = SiameseNet(architecture, torch.Generator().manual_seed(0)).to(device)
        net.fused = is_fused
        embeddings = net.embed(images.to(device))
        assert embeddings.shape == (5, TINY.units)
        embeddings.square().sum().backward()
        with torch.no_grad():
            answered = net.eval().embed(images.to(device))
        results.append([embeddings, answered, *(parameter.grad for parameter in net.parameters())])
    for one, other in zip(*results, strict=True):
        if one is None:
            assert other is None
        else:
            assert torch.allclose(one.cpu(), other.cpu(), rtol=1e-3, atol=1e-5)


@runs
def test_it_trains_the_same() -> None:
    """On a GPU recorded as a CUDA graph."""
    losses = []
    for is_fused in (False, True):
        trainer = tiny_trainer(tiny_hyperparameters(), device=DEVICE, epochs=1, pairs_per_epoch=64)
        trainer.net.fused = is_fused
        (result,) = trainer.epochs()
        losses.append(result.loss)
        assert trainer.recordable is (trainer._replay is not None)
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled there")
def test_the_kernels_compile_for_an_h100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which needs no GPU, and with the blocks of the paper's net its registers suffice."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    floats, bf16, byte = "*fp32", "*bf16", "*u8"
    types = dict.fromkeys(("images", "weight", "pooled", "gradient", "maps"), bf16) | {
        **dict.fromkeys(("bias", "weights", "biases"), floats),
        "kept": byte,
    }
    shape = {"SIDE": 10, "STRIDE": 1, "RELU": True, "TURNS": 36}
    for kernel, blocks in (
        (fused._conv_pool_forward, fused.FORWARD),
        (fused._conv_pool_backward, fused.BACKWARD),
        (fused._bias_pool_forward, fused.POOL),
        (fused._bias_pool_backward, fused.POOL),
    ):
        names = kernel.arg_names
        constants = {name: each for name, each in {**shape, **blocks}.items() if name in names}
        signature = {
            name: "constexpr" if name in constants else types.get(name, "i32") for name in names
        }
        source = ASTSource(kernel, signature, {(names.index(n),): c for n, c in constants.items()})
        compiled = triton.compile(
            source, target=GPUTarget("cuda", 90, 32), options={"num_warps": blocks["num_warps"]}
        )
        assert compiled.asm["cubin"]
        product = "BLOCK_K" in blocks
        assert ("wgmma" in compiled.asm["ptx"]) is product, "on the tensor cores"
