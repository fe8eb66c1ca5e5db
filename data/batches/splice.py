"""New characters for whole episodes: a part of one and the rest of another."""

import math

import torch
from torch import Tensor

from data.batches.distort import pixel_centres

OFFSET = 0.2
"""Standard deviation of the cut's distance from the centre, in units of half a side."""


def splice(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Return ``[E, W, D, H, H]``, each episode of W characters spliced with ``probability``.

    A spliced episode is cut along one random line; of each character one side stays, and the
    other comes from another character of the episode, the same for its D drawings. So there are
    again W characters, which nobody has drawn. After CutMix (Yun et al. 2019), which mixes labels
    where this makes new ones.
    """
    episodes, way, _, size, _ = images.shape
    if way < 2:
        return images
    device = images.device
    spliced, turn, step = torch.rand(3, episodes, 1, 1, generator=generator, device=device)
    distance = OFFSET * torch.randn(episodes, 1, 1, generator=generator, device=device)
    line = pixel_centres(size, device)
    angle = 2 * math.pi * turn
    kept = line * angle.cos() + line[:, None] * angle.sin() > distance
    kept |= spliced >= probability
    # Everyone's partner is the same number of places on, and never oneself.
    step = 1 + (step.flatten(1) * (way - 1)).long().clamp(max=way - 2)
    partner = (torch.arange(way, device=device) + step) % way
    others = images[torch.arange(episodes, device=device)[:, None], partner]
    return torch.where(kept[:, None, None], images, others)
