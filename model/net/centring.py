"""Drawings to the middle of their images."""

import torch
import torch.nn.functional as F
from torch import Tensor

from data.batches.distort import pixel_centres

INK = 0.15
"""What is darker than this, of 1, counts as ink: more than the grey that distortions leave."""


def centred(images: Tensor) -> Tensor:
    """Return images ``[B, 1, H, H]``, each shifted so that its ink's bounding box is central.

    Paper (0) comes in at the edges; an image without ink stays as it is.
    """
    ink = images.squeeze(1) > INK
    size = images.shape[-1]
    x, y = _middle(ink.any(1)), _middle(ink.any(2))
    # Not `data.batches.distort.sampling_grid`, whose complex numbers an ONNX file cannot hold.
    line = pixel_centres(size, images.device)
    across, down = x[:, None] + line, y[:, None] + line
    grid = torch.stack(
        [across[:, None, :].expand(-1, size, -1), down[:, :, None].expand(-1, -1, size)], -1
    )
    return F.grid_sample(images, grid, align_corners=False)


def _middle(inked: Tensor) -> Tensor:
    """Return the middle between the first and the last of ``[B, H]``, in units of half a side."""
    size = inked.shape[1]
    first = inked.int().argmax(1)
    last = size - 1 - inked.flip(1).int().argmax(1)
    return (first + last + 1) / size - 1
