"""Training and verification batches as indices of drawings, drawn on the device in one go."""

from dataclasses import dataclass

import torch
from torch import Tensor

from data.drawings import Drawings
from data.errors import DataError


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of drawings: indices ``a`` and ``b`` (int64 ``[B]``), ``same`` (float32 ``[B]``)."""

    a: Tensor
    b: Tensor
    same: Tensor

    def __len__(self) -> int:
        return self.a.shape[0]

    def to(self, device: torch.device | str) -> "Pairs":
        """Return the pairs on ``device``."""
        return Pairs(self.a.to(device), self.b.to(device), self.same.to(device))


class Sampler:
    """Drawings grouped by character and alphabet, and a random generator on their device.

    ``reseed`` makes all that follows a function of the seed alone, so that an epoch can be drawn
    again without the epochs before it.
    """

    def __init__(self, drawings: Drawings, seed: int):
        device = drawings.device
        key = drawings.alphabet * len(drawings.character_names) + drawings.character
        self.order = key.argsort(stable=True)
        _, self.drawing_count = key[self.order].unique_consecutive(return_counts=True)
        self.drawing_start = self.drawing_count.cumsum(0) - self.drawing_count
        alphabet_of_character = drawings.alphabet[self.order[self.drawing_start]]
        alphabets, self.character_alphabet, self.character_count = (
            alphabet_of_character.unique_consecutive(return_inverse=True, return_counts=True)
        )
        self.character_start = self.character_count.cumsum(0) - self.character_count
        lonely = drawings.character[self.order[self.drawing_start[self.drawing_count < 2]]].tolist()
        if lonely or not len(drawings):
            name = drawings.character_names[lonely[0]] if lonely else "(none at all)"
            raise DataError(
                f"character {name} has fewer than 2 drawings here; pairs need 2 of each: "
                "add drawings, or remove the character"
            )
        if single := alphabets[self.character_count < 2].tolist():
            raise DataError(
                f"alphabet {drawings.alphabet_names[single[0]]} has a single character; "
                "pairs of different characters need 2: add characters, or remove the alphabet"
            )
        self.generator = torch.Generator(device)
        self.device = device
        # A tensor, since the draws of a recorded step read it where it lies.
        self.position = torch.zeros((), dtype=torch.int64, device=device)
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Start anew: the next draws depend on ``seed`` alone, on a CPU on its low 32 bits."""
        self.generator.manual_seed(seed)
        self.position.zero_()

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.device)

    def _two_drawings(self, character: Tensor) -> tuple[Tensor, Tensor]:
        """Return two distinct drawings of each character in ``character``."""
        count, start = self.drawing_count[character], self.drawing_start[character]
        first, step = _below(torch.stack([count, count - 1]), self._uniform(2, *count.shape))
        second = (first + 1 + step) % count
        return self.order[start + first], self.order[start + second]


def _below(bound: Tensor, uniform: Tensor) -> Tensor:
    """Return what is uniform in [0, 1) as int64 in ``[0, bound)``, element by element."""
    # A product can round up to the bound itself.
    return torch.minimum((uniform * bound).long(), bound - 1)


class PairSampler(Sampler):
    """Independent pairs within alphabets, as the paper draws them (section 4.1).

    Of any even number of pairs, half are of one character and half of two; and the alphabets
    take turns, so that over an epoch each gives the same number of both kinds.
    """

    def draw(self, number: int) -> Pairs:
        """Return ``number`` pairs, the same and the different ones alternating."""
        place = self.position + torch.arange(number, device=self.device)
        self.position += number
        same = place % 2 == 0
        alphabet = (place // 2) % len(self.character_count)
        count, start = self.character_count[alphabet], self.character_start[alphabet]
        # All draws at once, and few operations on them: each is a kernel that a GPU has to start.
        uniform = self._uniform(6, number)
        first, step = _below(torch.stack([count, count - 1]), uniform[:2])
        other = (first + 1 + step) % count
        character = start + torch.stack([first, other])
        (count, others), begin = self.drawing_count[character], self.drawing_start[character]
        one, step, stranger = _below(torch.stack([count, count - 1, others]), uniform[2:5])
        twin = (one + 1 + step) % count
        second = torch.where(same, begin[0] + twin, begin[1] + stranger)
        return Pairs(self.order[begin[0] + one], self.order[second], same.float())


class EpisodeSampler(Sampler):
    """Episodes: two drawings of each of several characters, to be scored all against all."""

    def draw(self, episodes: int, way: int, across: bool = False) -> Tensor:
        """Return int64 ``[episodes, way, 2]``, two drawings of each of ``way`` characters.

        An episode stays within one alphabet, each alphabet's turn coming as often as it has
        characters; one with fewer than ``way`` is filled up from the others. ``across`` takes
        characters from anywhere.
        """
        characters = len(self.character_alphabet)
        if way > characters:
            raise DataError(f"an episode of {way} characters, but there are only {characters}")
        key = self._uniform(episodes, characters)
        if not across:
            bound = torch.full((episodes,), characters, device=self.device)
            chosen = _below(bound, self._uniform(episodes))
            alphabet = self.character_alphabet[chosen]
            # Strangers sort behind all of the alphabet's own.
            key = key + (self.character_alphabet[None, :] != alphabet[:, None])
        character = key.topk(way, largest=False).indices
        return torch.stack(self._two_drawings(character), dim=-1)
