"""MNIST's test digits, for the transfer of the paper's section 4.4: ten-way, no fine-tuning."""

import gzip
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from data.drawings import Drawings
from data.errors import DataError
from data.files.download import download
from data.files.folders import cache_dir

SIZE, DIGITS = 28, 10
IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
MAX_BYTES = 100_000_000
# What torchvision's reader raises where a header and a content do not fit, or are none of its own.
_NOT_IDX = (AssertionError, KeyError, TypeError, ValueError, RuntimeError, OverflowError)


def load_mnist(root: Path) -> Drawings:
    """Return the 10,000 test digits, 28 x 28, as one alphabet of ten characters.

    MNIST does not say who drew what. The ``drawer`` is a digit's running number among its like,
    so that no two drawings of a character share one.

    Args:
        root: they are looked for in ``<root>/MNIST/raw``, packed or not, and else fetched.

    Raises:
        DataUnavailable: they are not there and cannot be had.
        DataError: a file is damaged.
    """
    # Not torchvision's MNIST class, which wants the training set too, 10 MB that nothing uses.
    from torchvision.datasets.mnist import read_image_file, read_label_file

    ink = _read(read_image_file, _locate(IMAGES, root))
    digits = _read(read_label_file, _locate(LABELS, root))
    if ink.shape != (len(digits), SIZE, SIZE) or int(digits.max()) >= DIGITS:
        raise DataError(f"{IMAGES} and {LABELS} in {root} do not fit each other; get both again")
    character, order = digits.sort(stable=True)
    first = torch.searchsorted(character, character)
    return Drawings(
        ink=ink[order],
        alphabet=torch.zeros_like(character),
        character=character,
        drawer=torch.arange(len(order)) - first + 1,
        alphabet_names=("MNIST",),
        character_names=tuple(f"MNIST/{digit}" for digit in range(DIGITS)),
    )


def resized(drawings: Drawings, size: int) -> Drawings:
    """Return the drawings at ``size`` x ``size`` pixels, larger or smaller (paper: 28 to 35)."""
    if size == drawings.size:
        return drawings
    ink = F.interpolate(
        drawings.ink.unsqueeze(1).float(), (size, size), mode="bilinear", antialias=True
    )
    return replace(drawings, ink=ink.round().clamp(0, 255).byte().squeeze(1))


def _locate(name: str, root: Path) -> Path:
    """Return the file ``name``, packed or not, fetching it if need be.

    Raises:
        DataUnavailable: it is not under the root and cannot be had.
    """
    packed = f"{name}.gz"
    kept = cache_dir() / "MNIST" / "raw"
    for folder in (root / "MNIST" / "raw", kept):
        for path in (folder / name, folder / packed):
            if path.is_file():
                return path
    from torchvision.datasets import MNIST

    md5 = dict(MNIST.resources)[packed]
    return download(MNIST.mirrors[0] + packed, kept / packed, md5, root)


def _read(read: Callable[[str], Tensor], path: Path) -> Tensor:
    """Return what torchvision reads in the idx file, of which it takes no more than the limit."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            # torchvision reads neither packed files nor up to a limit.
            plain = Path(folder) / "plain"
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                plain.write_bytes(file.read(MAX_BYTES))
            return read(str(plain))
    except PermissionError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (OSError, EOFError, zlib.error, *_NOT_IDX) as error:
        reason = " ".join(str(error).split()) or "no idx file of bytes"
        raise DataError(f"{path}: damaged ({reason}); get it again") from error
