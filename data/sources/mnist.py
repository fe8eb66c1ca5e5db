"""MNIST's test digits, for the transfer of the paper's section 4.4: ten-way, no fine-tuning."""

import gzip
import math
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F

from data.batches.one_shot import OneShotTrials, generate
from data.drawings import Drawings
from data.errors import DataError, DataUnavailable
from data.files.cache import cache_dir
from data.files.download import download

SIZE, DIGITS = 28, 10
URL = "https://ossci-datasets.s3.amazonaws.com/mnist/{name}.gz"
IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
MD5 = {IMAGES: "9fb629c4189551a2d022fa330f9573f3", LABELS: "ec29112dd5afa0611ce80d1b7f02629c"}
MAX_BYTES = 100_000_000
_BYTE = 8  # the idx format's code of unsigned bytes


def load_mnist(root: Path, download_missing: bool = True) -> Drawings:
    """Return the 10,000 test digits, 28 x 28, as one alphabet of ten characters.

    MNIST does not say who drew what. The ``drawer`` is a digit's running number among its like,
    so that no two drawings of a character share one.

    Args:
        root: they are looked for in ``<root>/MNIST/raw``, packed or not.
        download_missing: whether they may be fetched.

    Raises:
        DataUnavailable: they are not there and cannot be had.
        DataError: a file is damaged.
    """
    ink = torch.frombuffer(bytearray(_content(IMAGES, root, download_missing)), dtype=torch.uint8)
    digits = torch.frombuffer(
        bytearray(_content(LABELS, root, download_missing)), dtype=torch.uint8
    )
    if len(digits) * SIZE * SIZE != len(ink) or int(digits.max()) >= DIGITS:
        raise DataError(f"{IMAGES} and {LABELS} in {root} do not fit each other; get both again")
    character, order = digits.long().sort(stable=True)
    first = torch.searchsorted(character, character)
    return Drawings(
        ink=ink.view(-1, SIZE, SIZE)[order],
        alphabet=torch.zeros_like(character),
        character=character,
        drawer=torch.arange(len(order)) - first + 1,
        alphabet_names=("MNIST",),
        character_names=tuple(f"MNIST/{digit}" for digit in range(DIGITS)),
    )


def mnist_trials(digits: Drawings, trials: int = 400, seed: int = 0) -> OneShotTrials:
    """Return 10-way trials, each with one drawing of every digit, as in the paper (section 4.4)."""
    return generate(digits, way=DIGITS, trials=trials, variant="all_drawers", seed=seed)


def resized(drawings: Drawings, size: int) -> Drawings:
    """Return the drawings at ``size`` x ``size`` pixels, larger or smaller (paper: 28 to 35)."""
    if size == drawings.size:
        return drawings
    ink = F.interpolate(
        drawings.ink.unsqueeze(1).float(), (size, size), mode="bilinear", antialias=True
    )
    return replace(drawings, ink=ink.round().clamp(0, 255).byte().squeeze(1))


def _content(name: str, root: Path, download_missing: bool) -> bytes:
    """Return what the idx file ``name`` holds, its header checked and removed."""
    for folder in (root / "MNIST" / "raw", cache_dir() / "MNIST" / "raw"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return _unpacked(path)
    target = cache_dir() / "MNIST" / "raw" / f"{name}.gz"
    if not download_missing:
        raise DataUnavailable(f"{name} is not in {root / 'MNIST' / 'raw'}; put it there")
    return _unpacked(download(URL.format(name=name), target, MD5[name]))


def _unpacked(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                data = file.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as plain:
                data = plain.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged ({error}); get it again") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{path}: more than {MAX_BYTES:,} bytes; this is not MNIST")
    dimensions = 3 if "idx3" in path.name else 1
    header = 4 + 4 * dimensions
    if len(data) <= header or data[:4] != bytes((0, 0, _BYTE, dimensions)):
        raise DataError(f"{path}: no idx file of {dimensions}-dimensional bytes; get it again")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    if math.prod(shape) != len(data) - header or shape[1:] not in ((), (SIZE, SIZE)):
        raise DataError(
            f"{path}: {len(data) - header:,} bytes of content, where its header says "
            f"{' x '.join(map(str, shape))}; get it again"
        )
    return data[header:]
