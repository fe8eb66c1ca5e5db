from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.batches.pairs import EpisodeSampler, PairSampler
from data.drawings import Drawings
from data.errors import DataError
from tests.synthetic import synthetic

ALPHABETS = st.lists(st.integers(2, 6), min_size=1, max_size=4).map(tuple)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Run the many tiny operations of these tests on one thread, which is faster."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def shuffled(drawings: Drawings, seed: int = 0) -> Drawings:
    """Return the drawings in another order, as a sampler must not mind."""
    generator = torch.Generator().manual_seed(seed)
    return drawings.select(torch.randperm(len(drawings), generator=generator))


@given(ALPHABETS, st.integers(2, 5), st.integers(0, 2**31), st.integers(1, 60))
@settings(max_examples=50)
def test_pairs_are_what_they_say(
    characters: tuple[int, ...], drawers: int, seed: int, half: int
) -> None:
    drawings = shuffled(synthetic(characters, drawers, size=2), seed % 7)
    pairs = PairSampler(drawings, seed).draw(2 * half)
    assert len(pairs) == 2 * half
    assert pairs.same.sum() == half, "exactly half of the pairs are the same"
    same = pairs.same.bool()
    a, b = drawings.character[pairs.a], drawings.character[pairs.b]
    assert torch.equal(a == b, same), "a different pair never shows one character"
    assert (pairs.a != pairs.b).all(), "a drawing is never paired with itself"
    assert torch.equal(drawings.alphabet[pairs.a], drawings.alphabet[pairs.b])


@given(ALPHABETS, st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(1, 4))
@settings(max_examples=50)
def test_every_alphabet_gives_the_same_number(
    characters: tuple[int, ...], batches: list[int], rounds: int
) -> None:
    """However the epoch is cut into batches."""
    drawings = synthetic(characters, 3, size=2)
    sampler = PairSampler(drawings, 0)
    epoch = 2 * len(characters) * rounds
    drawn = []
    while len(drawn) < epoch:
        number = min(batches[len(drawn) % len(batches)], epoch - len(drawn))
        pairs = sampler.draw(number)
        drawn += list(zip(drawings.alphabet[pairs.a].tolist(), pairs.same.tolist()))
    for alphabet in range(len(characters)):
        for same in (0.0, 1.0):
            assert drawn.count((alphabet, same)) == rounds


# Torch's generator of the CPU takes the low 32 bits of a seed.
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_draws_are_a_function_of_the_seed(seed: int, other: int) -> None:
    drawings = synthetic((4, 5), 4, size=2)
    fresh = PairSampler(drawings, seed).draw(50)
    used = PairSampler(drawings, other)
    used.draw(7)
    used.reseed(seed)
    again = used.draw(50)
    for name in ("a", "b", "same"):
        assert torch.equal(getattr(fresh, name), getattr(again, name))
    if seed != other:
        assert not torch.equal(PairSampler(drawings, other).draw(50).a, fresh.a)


def chi_square(counts: torch.Tensor) -> float:
    """Return the statistic over its mean under uniformity, about 1."""
    expected = counts.sum() / counts.numel()
    return float(((counts - expected) ** 2 / expected).sum() / (counts.numel() - 1))


def test_every_drawing_comes_equally_often_the_last_one_too() -> None:
    drawings = synthetic((5, 5, 5), drawers=4, size=2)
    pairs = PairSampler(drawings, 1).draw(60_000)
    for column in (pairs.a, pairs.b):
        for same in (0, 1):
            counts = column[pairs.same == same].bincount(minlength=len(drawings)).double()
            assert counts[-1] > 0
            # The mean of 59 squared normals has a standard deviation of 0.18.
            assert chi_square(counts) < 2


def test_partners_are_uniform() -> None:
    """Every other drawing of the character; every other character of the alphabet."""
    drawings = synthetic((4, 4), drawers=4, size=2)
    pairs = PairSampler(drawings, 2).draw(40_000)
    same = pairs.same.bool()
    for column, kind in ((drawings.drawer - 1, same), (drawings.character % 4, ~same)):
        table = torch.zeros(4, 4).double()
        first, second = column[pairs.a[kind]], column[pairs.b[kind]]
        table.index_put_((first, second), torch.ones(len(first)).double(), accumulate=True)
        assert table.diagonal().eq(0).all()
        assert chi_square(table[~torch.eye(4).bool()]) < 3


def test_ids_may_be_anything() -> None:
    """A selection keeps ids that are not consecutive."""
    drawings = synthetic((3, 4, 5), drawers=3, size=2).of_alphabets(["a", "c"])
    pairs = PairSampler(drawings, 0).draw(400)
    assert set(drawings.alphabet[pairs.a].tolist()) == {0, 2}
    assert set(drawings.character[pairs.b].tolist()) == {0, 1, 2, 7, 8, 9, 10, 11}


def test_refuses_what_makes_no_pairs() -> None:
    drawings = synthetic((3, 3), drawers=2, size=2)
    with pytest.raises(DataError, match="b/2 has fewer than 2"):
        PairSampler(drawings.select(torch.arange(11)), 0)
    with pytest.raises(DataError, match="alphabet b has a single character"):
        PairSampler(drawings.select(torch.arange(8)), 0)
    with pytest.raises(DataError, match="none at all"):
        PairSampler(drawings.select(torch.arange(0)), 0)


@given(ALPHABETS, st.integers(0, 2**31), st.booleans(), st.data())
@settings(max_examples=50)
def test_episodes(
    characters: tuple[int, ...], seed: int, across: bool, data: st.DataObject
) -> None:
    drawings = shuffled(synthetic(characters, 3, size=2), seed % 5)
    way = data.draw(st.integers(1, sum(characters)))
    episodes = EpisodeSampler(drawings, seed).draw(6, way, across)
    assert episodes.shape == (6, way, 2)
    assert (episodes[..., 0] != episodes[..., 1]).all(), "two drawings"
    ids = drawings.character[episodes]
    assert torch.equal(ids[..., 0], ids[..., 1]), "of one character"
    for row, of in zip(ids[..., 0].tolist(), drawings.alphabet[episodes[..., 0]].tolist()):
        assert len(set(row)) == way, "of distinct characters"
        if not across:
            # Within the alphabet where it has enough; else all of it, filled up from others.
            assert any(of.count(i) == min(way, characters[i]) for i in set(of))


def test_episodes_reach_every_character_and_drawing() -> None:
    drawings = synthetic((3, 5), drawers=3, size=2)
    for across in (False, True):
        episodes = EpisodeSampler(drawings, 3).draw(3000, 3, across)
        counts = drawings.character[episodes[..., 0]].flatten().bincount(minlength=8)
        assert chi_square(counts.double()) < 3
        assert set(episodes.flatten().tolist()) == set(range(24))
    alphabets = drawings.alphabet[EpisodeSampler(drawings, 3).draw(500, 3, True)[..., 0]]
    assert (alphabets != alphabets[:, :1]).any(1).float().mean() > 0.5, "across alphabets"


def test_episodes_are_reproducible_and_bounded() -> None:
    drawings = synthetic((3, 5), drawers=3, size=2)
    sampler = EpisodeSampler(drawings, 3)
    first = sampler.draw(4, 3)
    sampler.reseed(3)
    assert torch.equal(first, sampler.draw(4, 3))
    with pytest.raises(DataError, match="episode of 9 characters"):
        sampler.draw(1, 9)


def test_a_huge_set_draws_its_last_drawing() -> None:
    """In float32 a random number times a large bound can round up to it."""
    drawings = synthetic((2,), drawers=2, size=1)
    many = drawings.select(torch.arange(4).repeat_interleave(100_000))
    many = replace(many, drawer=torch.arange(len(many)))
    pairs = PairSampler(many, 0).draw(200_000)
    assert int(pairs.a.max()) < len(many)
    assert int(pairs.a.max()) > len(many) - 200
