"""Random distortions of image batches on their device, and characters spliced into new ones."""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

# Shifts and elastic displacements are given in pixels of a drawing of this side.
REFERENCE_SIZE = 105
WARP_ROTATION = 20.0
"""Largest angle of a warp of strength 1, in degrees either way."""
WARP_ELASTIC = 2.0
"""The ``elastic`` of a warp of strength 1."""
SMALLEST, LARGEST = 0.5, 1.2
"""The sizes between which a zoom of strength 1 brings a drawing, of its own."""
SPLICE_OFFSET = 0.2
"""Standard deviation of a splice's distance from the centre, in units of half a side."""


@dataclass(frozen=True, kw_only=True)
class Distortion:
    """The paper's affine family (section 4.3), and a smooth random deformation after it.

    Before them comes a warp, if any: the same two, turned further and bent more, but one for all
    the images of a group. Where the drawings of a character, or of an alphabet, are a group, it
    makes new characters of old ones.

    Attributes:
        strength: scales every range below; 1 is the paper, 0 switches the family off.
        warp: strength of the warp likewise; 0 for none.
        zoom: strength of a change of size, the same along x and y, drawn for every image by itself
            and uniformly: 1 for 0.5 to 1.2, which is more than the family has; 0 for none.
        elastic: standard deviation of the smooth displacement, in pixels of a 105-pixel drawing.
        rotation: largest angle, degrees, either way.
        shear: largest shear factor along x and along y, either way.
        scale: largest relative change of size along x and along y, either way.
        shift: largest shift along x and along y, in pixels of a 105-pixel drawing.
        probability: each of the seven components is switched on with this probability.
    """

    strength: float = 1.0
    warp: float = 0.0
    zoom: float = 0.0
    elastic: float = 0.0
    rotation: float = 10.0
    shear: float = 0.3
    scale: float = 0.2
    shift: float = 2.0
    probability: float = 0.5

    def __call__(self, images: Tensor, generator: torch.Generator, group: int = 1) -> Tensor:
        """Return ``images`` ``[B, 1, H, W]`` distorted, paper (0) coming in at the edges.

        Every ``group`` of them, in a row, share a warp.
        """
        if not (self.strength or self.elastic or self.warp or self.zoom):
            return images
        batch = len(images)
        matrices = self.inverse_matrices(batch, generator)
        if self.warp:
            warp = replace(self, strength=self.warp, rotation=WARP_ROTATION)
            shared = warp.inverse_matrices(batch // group, generator).repeat_interleave(group, 0)
            # What is done last is undone first.
            matrices = shared[:, :, :2] @ matrices
            matrices[:, :, 2] += shared[:, :, 2]
        if self.zoom:
            draw = torch.rand(batch, 1, 1, generator=generator, device=generator.device)
            matrices[:, :, :2] /= 1 + self.zoom * (SMALLEST - 1 + (LARGEST - SMALLEST) * draw)
        size = images.shape[-1]
        grid = sampling_grid(matrices, size)
        if self.warp:
            bent = displacement(batch // group, size, self.warp * WARP_ELASTIC, generator)
            grid = grid + bent.repeat_interleave(group, 0)
        if self.elastic:
            grid = grid + displacement(batch, size, self.elastic, generator)
        return F.grid_sample(images, grid, align_corners=False)

    def inverse_matrices(self, batch: int, generator: torch.Generator) -> Tensor:
        """Return ``[batch, 2, 3]``: where in the source, in units of half a side, a pixel lies.

        Forward, a point is scaled, sheared, rotated and shifted about the image's centre.
        """
        device = generator.device
        draws = torch.rand(2, 7, batch, generator=generator, device=device)
        size = (draws[0] * 2 - 1) * self.strength * (draws[1] < self.probability)
        angle = torch.deg2rad(size[0] * self.rotation)
        shear_x, shear_y = size[1:3] * self.shear
        scale_x, scale_y = 1 + size[3:5] * self.scale
        shift = size[5:7] * (2 * self.shift / REFERENCE_SIZE)
        # rotation @ shear @ scale, multiplied out, and its inverse in closed form: an inverse from
        # a solver makes the host wait for a GPU, and raises where a strong distortion is singular.
        cosine, sine = angle.cos(), angle.sin()
        turned, across = torch.stack([cosine, sine]), torch.stack([sine, -cosine])
        a, c = (turned - across * shear_y) * scale_x
        b, d = (turned * shear_x - across) * scale_y
        determinant = (1 - shear_x * shear_y) * scale_x * scale_y
        determinant = torch.where(determinant.abs() < 1e-3, 1e-3, determinant)
        inverse = (torch.stack([d, -b, -c, a]) / determinant).view(2, 2, batch)
        moved = inverse * shift
        offset = -(moved[:, 0] + moved[:, 1])
        return torch.cat([inverse, offset[:, None]], 1).permute(2, 0, 1)


def displacement(batch: int, size: int, elastic: float, generator: torch.Generator) -> Tensor:
    """Return ``[batch, size, size, 2]``: smooth random offsets, in units of half a side.

    Their standard deviation is about ``elastic`` pixels of a 105-pixel drawing.
    """
    coarse = torch.randn(batch, 2, 5, 5, generator=generator, device=generator.device)
    coarse = coarse * (2 * elastic / REFERENCE_SIZE)
    smooth = F.interpolate(coarse, (size, size), mode="bicubic", align_corners=True)
    return smooth.permute(0, 2, 3, 1)


def pixel_centres(size: int, device: torch.device) -> Tensor:
    """Return ``[size]``: where the centres of a line's pixels lie, in units of half a side."""
    return (torch.arange(size, device=device) * 2 + 1) / size - 1


def sampling_grid(matrices: Tensor, size: int) -> Tensor:
    """Return ``[B, size, size, 2]``: where each pixel's centre lies under ``matrices`` [B, 2, 3].

    The same as `torch.nn.functional.affine_grid`, some twenty times as fast on a CPU: with a
    point as the complex number x + iy, the whole grid is one sum of a row and a column.
    """
    line = pixel_centres(size, matrices.device)
    along_x, along_y, offset = torch.complex(matrices[:, 0], matrices[:, 1])[..., None].unbind(1)
    row, column = along_x * line, along_y * line + offset
    return torch.view_as_real(row[:, None, :] + column[:, :, None])


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
    distance = SPLICE_OFFSET * torch.randn(episodes, 1, 1, generator=generator, device=device)
    line = pixel_centres(size, device)
    angle = 2 * math.pi * turn
    kept = line * angle.cos() + line[:, None] * angle.sin() > distance
    kept |= spliced >= probability
    # Everyone's partner is the same number of places on, and never oneself.
    step = 1 + (step.flatten(1) * (way - 1)).long().clamp(max=way - 2)
    partner = (torch.arange(way, device=device) + step) % way
    others = images[torch.arange(episodes, device=device)[:, None], partner]
    return torch.where(kept[:, None, None], images, others)
