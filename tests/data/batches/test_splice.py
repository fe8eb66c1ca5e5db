import torch

from data.batches.splice import splice


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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


def test_a_splice_is_a_function_of_the_generator() -> None:
    images = torch.rand(4, 5, 2, 9, 9)
    first = splice(images, 0.7, generator())
    assert torch.equal(first, splice(images, 0.7, generator()))
    assert not torch.equal(first, splice(images, 0.7, generator(1)))
