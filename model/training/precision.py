"""Which arithmetic the convolutions train in: what is fastest on a device."""

import torch

from model.hyperparameters import Recipe
from model.net.siamese import SiameseNet


def set_precision(net: SiameseNet, recipe: Recipe, device: torch.device) -> None:
    """Let ``net`` train by ``recipe`` in what is fastest on ``device``."""
    net.bf16 = uses_bf16(recipe, device)
    net.conv1_as_product = device.type == "cuda"


def uses_bf16(recipe: Recipe, device: torch.device) -> bool:
    """Return whether training by ``recipe`` on ``device`` computes in bfloat16."""
    if recipe.precision == "auto":
        return computes_bf16(device)
    return recipe.precision == "bf16"


def computes_bf16(device: torch.device) -> bool:
    """Return whether ``device`` has bfloat16 arithmetic of its own, at least twice as fast."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()
