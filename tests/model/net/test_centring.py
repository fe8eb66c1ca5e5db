import pytest
import torch

from model.net.centring import centred


def blot(top: int, left: int, height: int = 5, width: int = 7, size: int = 31) -> torch.Tensor:
    image = torch.zeros(1, 1, size, size)
    image[..., top : top + height, left : left + width] = torch.rand(
        height, width, generator=torch.Generator().manual_seed(0)
    ).clamp(min=0.2)
    return image


@pytest.mark.parametrize(("top", "left"), [(0, 0), (26, 24), (3, 20), (13, 12)])
def test_a_drawing_lies_in_the_middle_wherever_it_was(top: int, left: int) -> None:
    assert torch.allclose(centred(blot(top, left)), blot(13, 12), atol=1e-5)


def test_an_even_box_lies_between_two_pixels() -> None:
    moved = centred(blot(2, 3, height=4, width=4))
    weight = moved.sum((1, 2, 3))
    assert weight.item() == pytest.approx(blot(2, 3, height=4, width=4).sum().item(), rel=1e-4)
    lit = (moved > 0).squeeze()
    for axis in (0, 1):
        places = lit.any(axis).nonzero().squeeze()
        assert places.min() + places.max() == 30


def test_images_are_centred_each_by_itself() -> None:
    images = torch.cat(
        [blot(0, 0), blot(20, 9), torch.zeros(1, 1, 31, 31), torch.ones(1, 1, 31, 31)]
    )
    moved = centred(images)
    assert torch.allclose(moved[:2], blot(13, 12).expand(2, -1, -1, -1), atol=1e-5)
    assert torch.allclose(moved[2:], images[2:], atol=1e-5)


def test_grey_is_not_ink() -> None:
    image = blot(13, 12)
    image[..., 0, 0] = 0.1
    assert torch.allclose(centred(image), image, atol=1e-5)
