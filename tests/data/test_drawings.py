from dataclasses import replace

import pytest
import torch

from data.drawings import Drawings
from tests.synthetic import synthetic


@pytest.fixture
def drawings() -> Drawings:
    return synthetic((3, 4), drawers=5, size=12)


def test_images_are_ink_1_paper_0(drawings: Drawings) -> None:
    drawings.ink[0] = 0
    drawings.ink[1] = 255
    images = drawings.images(torch.tensor([1, 0, 1]))
    assert images.shape == (3, 1, 12, 12)
    assert images.dtype == torch.float32
    assert images[0].eq(1).all()
    assert images[1].eq(0).all()
    assert len(drawings.images()) == len(drawings) == 35


def test_reduced_is_the_mean_of_the_area(drawings: Drawings) -> None:
    small = drawings.reduced(4)
    mean = drawings.ink.double().view(-1, 4, 3, 4, 3).mean((2, 4))
    assert small.ink.dtype == torch.uint8
    assert small.size == 4
    assert (small.ink.double() - mean).abs().max() <= 0.5
    assert small.character is drawings.character


def test_reduced_weighs_parts_of_pixels() -> None:
    line = torch.tensor([30, 60, 90], dtype=torch.uint8)
    one = replace(synthetic((2,), size=3), ink=line.expand(12, 3, 3))
    # Each half takes one pixel and a half of another.
    assert one.reduced(2).ink[0].tolist() == [[40, 80], [40, 80]]


def test_reduced_keeps_white_and_black(drawings: Drawings) -> None:
    black = replace(drawings, ink=torch.full_like(drawings.ink, 255))
    assert black.reduced(5).ink.eq(255).all()
    assert drawings.reduced(12) is drawings
    assert len(drawings.select(torch.zeros(0, dtype=torch.long)).reduced(4)) == 0


@pytest.mark.parametrize("size", [0, -3, 13])
def test_reduced_refuses_other_sizes(drawings: Drawings, size: int) -> None:
    with pytest.raises(ValueError, match=f"to {size} px"):
        drawings.reduced(size)


def test_select_takes_places_and_masks(drawings: Drawings) -> None:
    places = torch.tensor([7, 2, 2])
    some = drawings.select(places)
    assert some.character.tolist() == drawings.character[places].tolist()
    assert torch.equal(some.ink, drawings.ink[places])
    assert len(drawings.select(drawings.drawer == 3)) == 7
    assert some.alphabet_names == drawings.alphabet_names


def test_of_alphabets_and_of_drawers(drawings: Drawings) -> None:
    second = drawings.of_alphabets(["b"])
    assert len(second) == 20
    assert set(second.alphabet.tolist()) == {1}
    both = second.of_drawers([1, 5])
    assert len(both) == 8
    assert set(both.drawer.tolist()) == {1, 5}
    assert len(drawings.of_alphabets([])) == len(drawings.of_drawers([])) == 0


def test_rotated_is_four_times_as_many_characters(drawings: Drawings) -> None:
    turned = drawings.rotated()
    assert len(turned) == 4 * len(drawings)
    assert len(set(turned.alphabet_names)) == 4 * 2
    assert len(set(turned.character_names)) == 4 * 7
    assert len(turned.character.unique()) == 4 * 7
    quarters = [set(part.tolist()) for part in turned.character.chunk(4)]
    assert not set.intersection(*quarters)
    assert not set.intersection(*(set(part.tolist()) for part in turned.alphabet.chunk(4)))
    for k in range(4):
        part = turned.ink[k * len(drawings) :][: len(drawings)]
        assert torch.equal(part, drawings.ink.rot90(k, (1, 2)))
        place = k * len(drawings)
        alphabet = turned.alphabet_names[int(turned.alphabet[place])]
        assert turned.character_names[int(turned.character[place])].startswith("a/0")
        assert alphabet == (f"a@{90 * k}" if k else "a")


def test_digest_follows_content_alone(drawings: Drawings) -> None:
    digest = drawings.digest()
    columns = ("ink", "alphabet", "character", "drawer")
    copy = replace(drawings, **{name: getattr(drawings, name).clone() for name in columns})
    assert copy.to("cpu").digest() == digest
    # Another memory layout of the same content.
    turned = replace(drawings, ink=drawings.ink.mT.contiguous().mT)
    assert turned.digest() == digest


@pytest.mark.parametrize("column", ["ink", "alphabet", "character", "drawer"])
def test_digest_changes_with_any_value(drawings: Drawings, column: str) -> None:
    digest = drawings.digest()
    values = getattr(drawings, column)
    for place in (0, values.numel() // 2, values.numel() - 1):
        other = values.clone()
        other.view(-1)[place] += 1
        assert replace(drawings, **{column: other}).digest() != digest


def test_digest_changes_with_names_and_shape(drawings: Drawings) -> None:
    digests = {
        drawings.digest(),
        replace(drawings, alphabet_names=("a", "c")).digest(),
        replace(drawings, character_names=(*drawings.character_names[:-1], "x")).digest(),
        replace(drawings, ink=drawings.ink.view(35, 6, 24)).digest(),
    }
    assert len(digests) == 4
