"""Drawings as bits: what the cache keeps, and how it becomes the one tensor of a data set."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from data.drawings import Drawings

CHUNK = 1024  # drawings unpacked at once: 11 MB at 105 px


@dataclass(frozen=True, eq=False)
class Packed:
    """N drawings with their names, a bit per pixel where they are black and white.

    Attributes:
        rows: uint8 ``[N, B]``; bits (``numpy.packbits`` of the flat image) or whole pixels.
        size: height and width in pixels.
        binary: whether ``rows`` are bits.
        alphabet, character, drawer: int64 ``[N]``, as in ``Drawings``.
        alphabet_names, character_names: as in ``Drawings``.
        digest: SHA-256 of all of the above.
        blank: names of pictures that were left out because there was nothing on them.
    """

    rows: np.ndarray
    size: int
    binary: bool
    alphabet: np.ndarray
    character: np.ndarray
    drawer: np.ndarray
    alphabet_names: tuple[str, ...]
    character_names: tuple[str, ...]
    digest: str
    blank: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def ink(self, part: slice) -> np.ndarray:
        """Return uint8 ``[len(part), size, size]``, 0 = paper, 255 = full ink."""
        rows = self.rows[part]
        if self.binary:
            rows = np.unpackbits(rows, axis=1, count=self.size * self.size) * np.uint8(255)
        return rows.reshape(len(rows), self.size, self.size)


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One drawing on its way into a ``Packed``: its names and its row."""

    alphabet: str
    character: str
    drawer: int
    row: np.ndarray


def row_of(ink: np.ndarray, binary: bool) -> np.ndarray:
    """Return one drawing, uint8 ``[H, W]``, as a row of a ``Packed``."""
    return np.packbits(ink.ravel() > 127) if binary else ink.ravel()


def pack(rows: Iterable[LabelledRow], size: int, *, binary: bool) -> Packed:
    """Return the drawings sorted by alphabet, character and drawer, whatever order they come in."""
    ordered = sorted(rows, key=lambda row: (row.alphabet, row.character, row.drawer))
    alphabets = sorted({row.alphabet for row in ordered})
    characters = sorted({(row.alphabet, row.character) for row in ordered})
    alphabet_id = {name: i for i, name in enumerate(alphabets)}
    character_id = {name: i for i, name in enumerate(characters)}
    packed = Packed(
        rows=np.stack([row.row for row in ordered]),
        size=size,
        binary=binary,
        alphabet=np.array([alphabet_id[row.alphabet] for row in ordered], np.int64),
        character=np.array(
            [character_id[row.alphabet, row.character] for row in ordered], np.int64
        ),
        drawer=np.array([row.drawer for row in ordered], np.int64),
        alphabet_names=tuple(alphabets),
        character_names=tuple(f"{alphabet}/{character}" for alphabet, character in characters),
        digest="",
    )
    return replace(packed, digest=content_digest(packed))


def content_digest(packed: Packed) -> str:
    """Return the SHA-256 of size, names, ids and pixels."""
    sha = hashlib.sha256(f"{packed.size} {packed.binary}".encode())
    for names in (packed.alphabet_names, packed.character_names):
        sha.update("\n".join(names).encode())
    for array in (packed.alphabet, packed.character, packed.drawer, packed.rows):
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def join(parts: Sequence[Packed], size: int | None = None) -> Drawings:
    """Return all parts as one ``Drawings``, reduced to ``size`` pixels where that is given.

    The tensor is allocated once and filled in chunks: no second copy at full size ever exists.
    """
    side = parts[0].size if size is None else size
    ink = torch.empty(sum(map(len, parts)), side, side, dtype=torch.uint8)
    alphabet, character, drawer = [], [], []
    alphabet_names: tuple[str, ...] = ()
    character_names: tuple[str, ...] = ()
    start = 0
    for part in parts:
        for chunk in range(0, len(part), CHUNK):
            filled = torch.from_numpy(part.ink(slice(chunk, chunk + CHUNK)))
            ink[start : start + len(filled)] = reduce(filled, side, part.binary)
            start += len(filled)
        alphabet.append(torch.from_numpy(part.alphabet) + len(alphabet_names))
        character.append(torch.from_numpy(part.character) + len(character_names))
        drawer.append(torch.from_numpy(part.drawer))
        alphabet_names += part.alphabet_names
        character_names += part.character_names
    return Drawings(
        ink, torch.cat(alphabet), torch.cat(character), torch.cat(drawer),
        alphabet_names, character_names,
    )  # fmt: skip


def reduce(ink: torch.Tensor, size: int, binary: bool) -> torch.Tensor:
    """Return ink, uint8 ``[N, H, W]``, at ``size`` pixels, as ``Drawings.reduced`` does.

    Black and white ink by a whole factor is counted in bytes, which is several times faster.
    """
    factor, rest = divmod(ink.shape[-1], size)
    if factor == 1 and not rest:
        return ink
    if rest or not binary or factor > 15:  # 15 * 15 is the most that a byte counts
        none = torch.zeros(len(ink), dtype=torch.int64)
        return Drawings(ink, none, none, none, ("",), ("",)).reduced(size).ink
    ones = (ink & 1).numpy()
    down = sum(ones[:, step::factor] for step in range(1, factor)) + ones[:, ::factor]
    count = sum(down[:, :, step::factor] for step in range(1, factor)) + down[:, :, ::factor]
    grey = (np.arange(factor * factor + 1) * 255 / factor**2).round().astype(np.uint8)
    return torch.from_numpy(grey[count])
