"""Which arithmetic the convolutions train in: what is fastest on a device."""

import torch

from model.hyperparameters import Recipe
from model.net.siamese import SiameseNet


def set_precision(net: SiameseNet, recipe: Recipe, device: torch.device) -> None:
    """Let ``net`` train by ``recipe`` in what is fastest on ``device``."""
    auto = recipe.precision == "auto"
    net.bf16 = computes_bf16(device) if auto else recipe.precision == "bf16"
    net.conv1_as_product = device.type == "cuda"


def computes_bf16(device: torch.device) -> bool:
    """Return whether ``device`` has bfloat16 arithmetic of its own, at least twice as fast."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()
