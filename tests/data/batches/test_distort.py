import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from data.batches.distort import (
    WARP_ELASTIC,
    WARP_ROTATION,
    Distortion,
    displacement,
    sampling_grid,
    splice,
)
from tests.synthetic import disc, synthetic

NONE = {"rotation": 0.0, "shear": 0.0, "scale": 0.0, "shift": 0.0}
ALONE = NONE | {"probability": 1.0}
BATCH = 4000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def distorted(image: Tensor, count: int, **settings: float) -> Tensor:
    """Return ``[count, 1, H, W]``: the image distorted so often."""
    return Distortion(**settings)(image.expand(count, -1, -1, -1), generator())


def weighed(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return how much ink there is ``[B]``, and its centre ``[B, 2]`` in units of half a side."""
    line = (torch.arange(images.shape[-1]) + 0.5) / images.shape[-1] * 2 - 1
    mass = images.sum((1, 2, 3))
    x, y = (images.sum((1, axis)) @ line / mass for axis in (2, 3))
    return mass, torch.stack([x, y], 1)


def forward(**ranges: float) -> tuple[Tensor, Tensor]:
    """Return what is done to a point, ``[B, 2, 2]`` and ``[B, 2]``, from its inverse."""
    inverse = Distortion(**{**NONE, **ranges}).inverse_matrices(BATCH, generator()).double()
    matrix = torch.linalg.inv(inverse[:, :, :2])
    return matrix, -(matrix @ inverse[:, :, 2:]).squeeze(2)


def check_range(values: Tensor, low: float, high: float) -> None:
    """Half of the time off; else uniform over the whole range."""
    middle = (low + high) / 2
    on = values[(values - middle).abs() > 1e-6]
    assert 0.46 < len(on) / len(values) < 0.54, "switched on half of the time"
    width = high - low
    assert low - 1e-5 <= on.min() <= low + 0.01 * width
    assert high - 0.01 * width <= on.max() <= high + 1e-5
    assert abs(on.mean() - middle) < 0.03 * width
    assert on.std() == pytest.approx(width / math.sqrt(12), rel=0.05)


def test_rotation_goes_both_ways_in_degrees() -> None:
    matrix, shift = forward(rotation=10.0)
    assert torch.allclose(matrix @ matrix.mT, torch.eye(2).double(), atol=1e-5)
    check_range(torch.rad2deg(torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])), -10, 10)
    assert shift.abs().max() < 1e-6


def test_shear_is_a_factor() -> None:
    matrix, _ = forward(shear=0.3)
    check_range(matrix[:, 0, 1], -0.3, 0.3)
    check_range(matrix[:, 1, 0], -0.3, 0.3)
    assert torch.allclose(matrix.diagonal(dim1=1, dim2=2), torch.ones(2).double(), atol=1e-5)


def test_scale_of_x_and_y_are_independent() -> None:
    scales = forward(scale=0.2)[0].diagonal(dim1=1, dim2=2).T
    for axis in scales:
        check_range(axis, 0.8, 1.2)
    assert abs(torch.corrcoef(scales)[0, 1]) < 0.05


def test_shift_is_in_pixels_of_a_105_pixel_drawing() -> None:
    _, shift = forward(shift=2.0)
    for axis in shift.T:
        check_range(axis * 105 / 2, -2, 2)


def test_ranges_of_the_whole_family_are_the_papers() -> None:
    paper = Distortion()
    assert (paper.rotation, paper.shear, paper.scale, paper.shift) == (10, 0.3, 0.2, 2)
    assert (paper.strength, paper.probability, paper.elastic) == (1, 0.5, 0)
    matrix, _ = forward(rotation=10.0, shear=0.3, scale=0.2)
    # Scaled, then sheared, then rotated: the determinant tells them apart from other orders' bugs.
    least, most = torch.linalg.det(matrix).aminmax()
    assert (1 - 0.09) * 0.8**2 - 1e-4 < least < most < (1 + 0.09) * 1.2**2 + 1e-4


COMPONENTS = {
    "rotation": [[0, 0], [0, 1], [1, 0], [1, 1]], "shear x": [[0, 1]], "shear y": [[1, 0]],
    "scale x": [[0, 0]], "scale y": [[1, 1]], "shift x": [[0, 2]], "shift y": [[1, 2]],
}  # fmt: skip
"""The entries of the matrix that each changes."""


@pytest.mark.parametrize(("place", "entries"), list(enumerate(COMPONENTS.values())), ids=COMPONENTS)
def test_every_component_alone_changes_the_image(
    place: int, entries: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the seven is drawn and then forgotten."""
    images = synthetic((2,), size=35).images()
    plain = Distortion()(images, generator())
    draws = torch.full((2, 7, len(images)), 0.9)
    # The second row decides what is switched on.
    draws[1, place] = 0.0
    monkeypatch.setattr(torch, "rand", lambda *_, **__: draws)
    changed = Distortion()(images, generator())
    assert (changed - images).abs().mean() > 0.005
    assert not torch.equal(changed, plain)
    matrix = Distortion().inverse_matrices(len(images), generator())[0]
    assert ((matrix - torch.eye(2, 3)).abs() > 1e-6).nonzero().tolist() == entries


def test_a_shift_moves_pixels_in_proportion_to_the_size() -> None:
    for size in (105, 35):
        moved = distorted(disc(size), 64, **ALONE | {"shift": 6.0})
        pixels = weighed(moved)[1][:, 0] * size / 2
        assert pixels.abs().max() == pytest.approx(6 * size / 105, rel=0.1)


def test_a_turn_turns_pixels_and_keeps_them_square() -> None:
    """In pixels, not in units of some axis: a turned disc off the centre stays a disc."""
    image = disc(105, radius=0.2, centre=(0.5, 0.0))
    mass, centre = weighed(distorted(image, 32, **ALONE | {"rotation": 90.0}))
    assert (mass / image.sum() - 1).abs().max() < 0.02
    assert (centre.norm(dim=1) - 0.5).abs().max() < 0.01


def test_paper_comes_in_at_the_edges() -> None:
    """Ink = 1, paper = 0: a page full of ink shows at the rim what is filled in."""
    shifted = distorted(torch.ones(1, 1, 35, 35), 64, **ALONE | {"shift": 10.0})
    assert shifted.aminmax() == (0, 1)
    assert distorted(torch.zeros(1, 1, 35, 35), 64, elastic=3.0).eq(0).all()


def test_values_and_ink_stay_in_bounds() -> None:
    out = distorted(disc(105), 500)
    assert out.shape == (500, 1, 105, 105)
    assert 0 <= out.min() <= out.max() <= 1 + 1e-6
    mass = weighed(out)[0] / disc(105).sum()
    assert 0.55 < mass.min() <= mass.max() < 1.65
    assert mass.mean() == pytest.approx(1, abs=0.05)


def test_strength_scales_and_zero_switches_off() -> None:
    images = synthetic((2,), size=35).images()
    assert torch.equal(Distortion(strength=0)(images, generator()), images)
    unit = torch.eye(2, 3)
    spread = [
        float((Distortion(strength=s).inverse_matrices(1000, generator()) - unit).abs().mean())
        for s in (0.0, 0.5, 1.0, 2.0)
    ]
    assert spread[0] == 0
    assert spread[1] < spread[2] < spread[3]


def test_the_strongest_distortions_stay_finite() -> None:
    matrices = Distortion(strength=5.0, probability=1.0).inverse_matrices(20_000, generator())
    assert matrices.isfinite().all()


def test_a_singular_distortion_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a strength of 5 a scale may come out as 0 exactly."""
    images = synthetic((2,), size=9).images()
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.zeros(shape))
    assert Distortion(strength=5.0)(images, generator()).isfinite().all()


def test_elastic_deforms_smoothly_by_the_given_amount() -> None:
    ramp = ((torch.arange(105) + 0.5) / 105).expand(1, 1, 105, 105)
    inner = (distorted(ramp, 200, strength=0, elastic=3.0) - ramp)[:, :, 20:-20, 20:-20] * 105
    assert 1.5 < inner.std() < 4, "pixels that a point moves"
    assert inner.diff(dim=3).abs().max() < 2, "neighbours move alike"


def test_a_warp_is_shared_by_a_group_and_no_other() -> None:
    images = synthetic((2,), size=35).images(torch.tensor([0])).expand(48, 1, 35, 35)
    warp = Distortion(strength=0, warp=2.0, probability=1.0)
    groups = warp(images, generator(), group=6).unflatten(0, (8, 6))
    assert (groups == groups[:, :1]).all()
    assert len(groups[:, 0].unique(dim=0)) == 8
    both = replace(warp, strength=1.0)(images, generator(), group=6)
    assert len(both.unique(dim=0)) == 48


def test_a_warp_comes_before_what_each_image_gets() -> None:
    images = synthetic((3,), size=35).images(torch.tensor([0, 1, 2, 0]))
    ranges = {**NONE, "shear": 0.3, "scale": 0.2}
    own, shared = Distortion(**ranges), Distortion(**ranges, strength=1.5)
    draw = generator()
    last = own.inverse_matrices(4, draw)
    first = replace(shared, rotation=WARP_ROTATION).inverse_matrices(2, draw)
    square = torch.tensor([0.0, 0, 1]).expand(4, 1, 3)
    both = torch.cat([first.repeat_interleave(2, 0), square], 1) @ torch.cat([last, square], 1)
    bent = displacement(2, 35, 1.5 * WARP_ELASTIC, draw).repeat_interleave(2, 0)
    grid = sampling_grid(both[:, :2], 35) + bent
    expected = F.grid_sample(images, grid, align_corners=False)
    out = Distortion(**ranges, warp=1.5)(images, generator(), group=2)
    assert torch.allclose(out, expected, atol=1e-5)


def test_a_zoom_is_between_half_and_six_fifths_about_the_middle() -> None:
    image = disc(105, radius=0.5)
    sizes = []
    for strength in (1.0, 0.4):
        mass, _ = weighed(distorted(image, 500, strength=0, zoom=strength))
        sizes += [float((end / image.sum()).sqrt()) for end in mass.aminmax()]
    assert sizes == pytest.approx([0.5, 1.2, 0.8, 1.08], abs=0.01)
    off = disc(105, radius=0.2, centre=(0.5, 0.0))
    mass, centre = weighed(distorted(off, 64, strength=0, zoom=0.4))
    assert torch.allclose(centre[:, 0] * 2, (mass / off.sum()).sqrt(), atol=0.02)


def test_without_a_zoom_nothing_is_drawn_for_it() -> None:
    """A study from before there was one trains as it did."""
    images = synthetic((2,), size=16).images()
    for zoom in (0.0, 1.0):
        draw, plain = generator(), generator()
        Distortion(zoom=zoom)(images, draw)
        torch.rand(2, 7, len(images), generator=plain)
        assert torch.equal(draw.get_state(), plain.get_state()) is (zoom == 0)


def test_every_image_gets_draws_of_its_own() -> None:
    image = synthetic((2,), size=35).images(torch.tensor([0]))
    assert len(distorted(image, 64, probability=1.0).unique(dim=0)) == 64


@pytest.mark.parametrize(
    "change",
    [Distortion(elastic=2.0), lambda images, draw: splice(images.unflatten(0, (2, 6)), 0.7, draw)],
    ids=["distortion", "splice"],
)
def test_the_generator_alone_decides_and_the_input_stays(
    change: Callable[[Tensor, torch.Generator], Tensor],
) -> None:
    images = synthetic((2,), size=16).images()
    copy = images.clone()
    first = change(images, generator(1))
    assert torch.equal(images, copy)
    torch.manual_seed(5)
    assert torch.equal(change(images, generator(1)), first)
    assert not torch.equal(change(images, generator(2)), first)


@pytest.mark.parametrize("size", [1, 2, 35, 105])
def test_the_grid_is_torchs(size: int) -> None:
    matrices = Distortion(strength=2.0).inverse_matrices(20, generator())
    expected = F.affine_grid(matrices, [20, 1, size, size], align_corners=False)
    assert torch.allclose(sampling_grid(matrices, size), expected, atol=1e-5)


def numbered(episodes: int, way: int, drawings: int = 2, size: int = 20) -> torch.Tensor:
    """Return images that are full of their character's number, from 1."""
    numbers = torch.arange(1, way + 1).float()[None, :, None, None, None]
    return numbers.expand(episodes, way, drawings, size, size)


def test_a_spliced_character_is_a_part_of_one_and_the_rest_of_another() -> None:
    way = 7
    out = splice(numbered(200, way), 1.0, generator())
    assert torch.equal(out[:, :, 0], out[:, :, 1]), "the same for all its drawings"
    two = 0
    for episode in out[:, :, 0]:
        parts = [set(image.unique().tolist()) for image in episode]
        assert all(i + 1 in part for i, part in enumerate(parts) if len(part) == 2)
        two += all(len(part) == 2 for part in parts)
        # What a character lost another one got, so that no two are alike.
        assert episode.flatten(1).unique(dim=0).shape[0] == way
        cut = episode != torch.arange(1, way + 1)[:, None, None]
        assert (cut == cut[0]).all(), "one line for all the episode"
    assert two > 190


def test_both_sides_of_the_line_are_kept_alike_often() -> None:
    images = numbered(2000, 3)
    kept = (splice(images, 1.0, generator()) == images).float().mean((0, 1, 2))
    assert (kept - 0.5).abs().max() < 0.06


def test_every_other_character_is_a_partner() -> None:
    out = splice(numbered(500, 4), 1.0, generator())
    assert set(out[:, 0].unique().tolist()) == {1, 2, 3, 4}


def test_some_episodes_stay_as_they_are() -> None:
    images = numbered(2000, 5)
    same = (splice(images, 0.3, generator()) == images).flatten(1).all(1).float().mean()
    assert 0.66 < same < 0.74
    assert torch.equal(splice(images, 0.0, generator()), images)
    assert torch.equal(splice(images[:, :1], 1.0, generator()), images[:, :1])
