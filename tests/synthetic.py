"""Small drawings made up on the spot, for tests that need no data set."""

import torch
import torch.nn.functional as F

from data.drawings import Drawings


def synthetic(
    characters: tuple[int, ...] = (6, 6, 6),
    drawers: int = 6,
    size: int = 16,
    seed: int = 0,
) -> Drawings:
    """Return one alphabet per entry of ``characters``: blobs, spotted by every drawer anew."""
    generator = torch.Generator().manual_seed(seed)
    count = sum(characters)
    patterns = torch.rand(count, 1, 5, 5, generator=generator)
    patterns = (F.interpolate(patterns, size, mode="bilinear") > 0.55).float()
    ink = patterns.squeeze(1).repeat_interleave(drawers, 0)
    noise = torch.rand(ink.shape, generator=generator)
    alphabet = torch.arange(len(characters)).repeat_interleave(torch.tensor(characters))
    names = tuple("abcdefghij"[: len(characters)])
    return Drawings(
        ink=((ink * 0.8 + noise * 0.2) * 255).byte(),
        alphabet=alphabet.repeat_interleave(drawers),
        character=torch.arange(count).repeat_interleave(drawers),
        drawer=torch.arange(1, drawers + 1).repeat(count),
        alphabet_names=names,
        character_names=tuple(
            f"{name}/{i}" for name, number in zip(names, characters) for i in range(number)
        ),
    )


def disc(
    size: int = 105, radius: float = 0.3, centre: tuple[float, float] = (0, 0)
) -> torch.Tensor:
    """Return a filled disc ``[1, 1, size, size]``; lengths in units of half a side."""
    line = (torch.arange(size) + 0.5) / size * 2 - 1
    x, y = line[None, :], line[:, None]
    inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
    return inside.float()[None, None]
