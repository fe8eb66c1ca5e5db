"""Bits and the cache that keeps them."""

import numpy as np
import pytest
import torch

from data.drawings import Drawings
from data.files.packed import LabelledRow, join, pack, reduce, row_of


def some(binary: bool = True, count: int = 6, size: int = 9, seed: int = 0) -> list[LabelledRow]:
    random = np.random.default_rng(seed)
    ink = random.integers(0, 256, (count, size, size)).astype(np.uint8)
    if binary:
        ink = (ink > 127) * np.uint8(255)
    return [
        LabelledRow("ab"[i % 2], f"c{i // 2 % 2}", 1 + i // 4, row_of(one, binary))
        for i, one in enumerate(ink)
    ]


@pytest.mark.parametrize("binary", [True, False])
def test_order_does_not_matter(binary: bool) -> None:
    rows = some(binary)
    one, other = pack(rows, 9, binary=binary), pack(rows[::-1], 9, binary=binary)
    assert one.digest == other.digest
    assert one.character_names == ("a/c0", "a/c1", "b/c0", "b/c1")
    assert np.array_equal(one.ink(slice(None)), other.ink(slice(None)))
    first = join([one]).ink[0]
    assert np.array_equal(row_of(first.numpy(), binary), rows[0].row)


def test_any_change_changes_the_digest() -> None:
    before = pack(some(), 9, binary=True).digest
    assert pack(some(seed=1), 9, binary=True).digest != before
    assert pack(some()[:-1], 9, binary=True).digest != before


def test_joined_parts_keep_their_characters_apart() -> None:
    part = pack(some(), 9, binary=True)
    both = join([part, part])
    assert both.alphabet.tolist() == [*part.alphabet, *(part.alphabet + 2)]
    assert both.character.tolist() == [*part.character, *(part.character + 4)]
    assert len(both.character_names) == 8


@pytest.mark.parametrize("size", [105, 53, 35, 28, 21, 15, 7, 5, 3, 1])
@pytest.mark.parametrize("binary", [True, False])
def test_reduce_is_that_of_drawings(size: int, binary: bool) -> None:
    ink = torch.from_numpy(np.random.default_rng(size).integers(0, 256, (20, 105, 105)))
    ink = (ink > 150).byte() * 255 if binary else ink.byte()
    none = torch.zeros(20, dtype=torch.int64)
    expected = Drawings(ink, none, none, none, ("",), ("",)).reduced(size).ink
    assert torch.equal(reduce(ink, size, binary), expected)
