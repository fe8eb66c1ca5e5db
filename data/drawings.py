"""The one type for what was drawn: ink with alphabet, character and drawer."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Drawings:
    """Drawings on one device, ready to be indexed in batches.

    Attributes:
        ink: uint8 ``[N, H, W]``, 0 = paper, 255 = full ink.
        alphabet: int64 ``[N]``, index into ``alphabet_names``.
        character: int64 ``[N]``, index into ``character_names``; no two alphabets share one.
        drawer: int64 ``[N]``, the person who drew it, counted from 1 as in Omniglot.
        alphabet_names: every alphabet that ``alphabet`` may name (a selection keeps all).
        character_names: likewise, as ``"<alphabet>/<character>"``.
    """

    ink: Tensor
    alphabet: Tensor
    character: Tensor
    drawer: Tensor
    alphabet_names: tuple[str, ...]
    character_names: tuple[str, ...]

    def __len__(self) -> int:
        return self.ink.shape[0]

    @property
    def size(self) -> int:
        """Height (= width) in pixels."""
        return self.ink.shape[-1]

    @property
    def device(self) -> torch.device:
        """Where the ink lies."""
        return self.ink.device

    def images(self, index: Tensor | slice = slice(None)) -> Tensor:
        """Return float32 ``[len(index), 1, H, W]`` with ink = 1 and paper = 0, what a net takes."""
        return self.ink[index].unsqueeze(1).to(torch.float32).div_(255)

    def select(self, index: Tensor) -> "Drawings":
        """Return the drawings at ``index`` (int64 ``[M]``, or bool ``[N]``), in that order."""
        return replace(
            self,
            ink=self.ink[index],
            alphabet=self.alphabet[index],
            character=self.character[index],
            drawer=self.drawer[index],
        )

    def of_alphabets(self, names: Iterable[str]) -> "Drawings":
        """Return the drawings of the alphabets named."""
        wanted = set(names)
        ids = [i for i, name in enumerate(self.alphabet_names) if name in wanted]
        return self.select(torch.isin(self.alphabet, torch.tensor(ids, device=self.device)))

    def of_drawers(self, drawers: Iterable[int]) -> "Drawings":
        """Return the drawings made by these drawers (counted from 1)."""
        return self.select(torch.isin(self.drawer, torch.tensor(list(drawers), device=self.device)))

    def reduced(self, size: int) -> "Drawings":
        """Return the drawings at ``size`` x ``size`` pixels, each pixel the mean of its area."""
        if size == self.size:
            return self
        if not 1 <= size < self.size:
            raise ValueError(f"cannot reduce {self.size} px drawings to {size} px")
        weights = _overlaps(self.size, size).to(self.device)
        # In slices, so that the float copy of a large set never exists whole.
        parts = [
            (weights @ part.float() @ weights.T).round().byte() for part in self.ink.split(1024)
        ]
        empty = self.ink.new_empty(0, size, size)
        return replace(self, ink=torch.cat(parts) if parts else empty)

    def rotated(self) -> "Drawings":
        """Return the drawings with their turns by 90, 180 and 270 degrees as new alphabets."""
        turns = range(4)
        alphabets, characters = len(self.alphabet_names), len(self.character_names)

        def turned(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(f"{name}@{90 * k}" if k else name for k in turns for name in names)

        return Drawings(
            ink=torch.cat([self.ink.rot90(k, (1, 2)) for k in turns]),
            alphabet=torch.cat([self.alphabet + k * alphabets for k in turns]),
            character=torch.cat([self.character + k * characters for k in turns]),
            drawer=self.drawer.repeat(4),
            alphabet_names=turned(self.alphabet_names),
            character_names=turned(self.character_names),
        )

    def to(self, device: torch.device | str) -> "Drawings":
        """Return the drawings on ``device``: these themselves, where they lie there already."""
        ink = self.ink.to(device)
        if ink is self.ink:
            return self
        return replace(
            self,
            ink=ink,
            alphabet=self.alphabet.to(device),
            character=self.character.to(device),
            drawer=self.drawer.to(device),
        )

    def digest(self) -> str:
        """Return the SHA-256 of names, ids and pixels; the same for the same content."""
        sha = hashlib.sha256()
        for names in (self.alphabet_names, self.character_names):
            sha.update("\n".join(names).encode())
        for ids in (self.alphabet, self.character, self.drawer, self.ink):
            sha.update(str(tuple(ids.shape)).encode())
            sha.update(ids.cpu().contiguous().numpy().data)
        return sha.hexdigest()


def _overlaps(size: int, reduced: int) -> Tensor:
    """Return ``[reduced, size]``: which part of each new pixel's side each old one covers."""
    edges = torch.arange(reduced + 1, dtype=torch.float64) * size / reduced
    old = torch.arange(size, dtype=torch.float64)
    covered = torch.minimum(edges[1:, None], old + 1) - torch.maximum(edges[:-1, None], old)
    return (covered.clamp(min=0) * reduced / size).float()
