"""Sheets of pictures beside what a net sees of them, as an image file."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data.errors import DataError
from data.files.atomic import write_bytes
from data.images.decode import decode_grey, read_bytes
from data.images.formats import WRITTEN, written_as
from data.images.ink import read_ink
from data.images.listing import shown

MOST = 240
"""Pictures on a sheet; of more, the first."""
TILE, LINE, GAP = 105, 16, 6  # pixels
Shown = tuple[str, np.ndarray | None, np.ndarray]


def show_inputs(pictures: Sequence[Shown], path: Path) -> None:
    """Write a sheet of ``pictures`` to ``path``.

    Args:
        pictures: of each its label, the original, uint8 ``[H, W]`` with 255 = white, or None to
            leave it out, and the ink read of it, uint8 ``[S, S]``, 0 = paper.
        path: of the file, whose suffix names one of the formats `WRITTEN`; only the first ``MOST``
            pictures are on it, and it says so.

    Raises:
        DataError: the file cannot be written.
    """
    if (form := written_as(path)) is None:
        raise DataError(f"{shown(path)}: no image file to write; allowed are {', '.join(WRITTEN)}")
    from matplotlib import get_data_path

    # Pillow's own font has Latin letters only.
    font = ImageFont.truetype(Path(get_data_path(), "fonts/ttf/DejaVuSans.ttf"), LINE * 2 // 3)
    some = pictures[:MOST]
    tiles = 2 if any(original is not None for _, original, _ in some) else 1
    width, height = tiles * (TILE + GAP) + GAP, TILE + LINE + GAP
    columns = max(1, min(len(some), math.ceil(math.sqrt(len(some) * height / width * 1.5))))
    rows = math.ceil(len(some) / columns)
    sheet = Image.new("L", (columns * width + GAP, rows * height + LINE + GAP), 200)
    pen = ImageDraw.Draw(sheet)
    for number, (label, original, ink) in enumerate(some):
        left, top = GAP + number % columns * width, GAP + number // columns * height
        if original is not None:
            sheet.paste(_tile(original), (left, top))
        sheet.paste(_tile(255 - ink), (left + (tiles - 1) * (TILE + GAP), top))
        pen.text((left, top + TILE), _fitting(label, width - GAP, font), 0, font)
    if len(pictures) > len(some):
        pen.text((GAP, rows * height + GAP), f"the first {MOST}; there are more", 0, font)
    file = io.BytesIO()
    sheet.save(file, form)
    try:
        write_bytes(path, file.getvalue())
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be written: {error.strerror or error}") from None


def show_read(
    support: Mapping[str, Sequence[Path]], queries: Sequence[Path], size: int, path: Path
) -> None:
    """Write a sheet of the queries and the support, each beside its ink at ``size`` pixels.

    A picture that cannot be read is not on it.

    Raises:
        DataError: the file cannot be written.
    """
    named = chain(
        ((f"query {file.name}", file) for file in queries),
        ((name, file) for name, files in support.items() for file in files),
    )

    def readable() -> Iterator[Shown]:
        for name, file in named:
            try:
                data = read_bytes(file, str(file))
                yield name, decode_grey(data, str(file)), read_ink(data, size, str(file))
            except DataError:
                continue

    # One more than fit tells that there are more; thousands need not be read.
    show_inputs(list(islice(readable(), MOST + 1)), path)


def _tile(grey: np.ndarray) -> Image.Image:
    """Return the picture within a square of side ``TILE``, its own proportions kept."""
    scale = TILE / max(grey.shape)
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    tile = Image.new("L", (TILE, TILE), 220)
    small = Image.fromarray(grey).resize((width, height), how)
    tile.paste(small, ((TILE - width) // 2, (TILE - height) // 2))
    return tile


def _fitting(label: str, width: float, font: ImageFont.FreeTypeFont) -> str:
    """Return the label on one line, its middle left out where it is too long."""
    label = "".join(one if one.isprintable() else "?" for one in label)
    short, keep = label, len(label)
    while keep > 2 and font.getlength(short) > width:
        keep -= 1
        short = f"{label[: (keep + 1) // 2]}…{label[len(label) - keep // 2 :]}"
    return short
