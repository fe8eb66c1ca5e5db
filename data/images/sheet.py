"""Pictures beside the ink that was read of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

_SIDE, _GAP, _COLUMNS = 96, 14, 5  # pixels, pixels, pairs in a row


def show_inputs(pictures: Sequence[tuple[str, Path | None, np.ndarray]], path: Path) -> None:
    """Write a PNG sheet: each picture beside the ink that was read of it, its name below.

    Args:
        pictures: name, file (None: the ink alone) and ink, uint8 ``[H, W]``, 0 = paper.
        path: the PNG to write.
    """
    rows = -(-len(pictures) // _COLUMNS)
    cell = (2 * _SIDE + _GAP, _SIDE + _GAP)
    sheet = Image.new("RGB", (_COLUMNS * cell[0], rows * cell[1]), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (name, file, ink) in enumerate(pictures):
        x, y = i % _COLUMNS * cell[0], i // _COLUMNS * cell[1]
        if file is not None:
            with Image.open(file) as picture:
                picture.draft("RGB", (2 * _SIDE, 2 * _SIDE))
                upright = ImageOps.exif_transpose(picture).convert("RGB")
            sheet.paste(ImageOps.pad(upright, (_SIDE, _SIDE), color="lightgrey"), (x, y))
        read = Image.fromarray(255 - ink).resize((_SIDE, _SIDE))
        sheet.paste(read.convert("RGB"), (x + _SIDE, y))
        pen.text((x + 2, y + _SIDE), name[-30:].encode("ascii", "replace").decode(), "black")
    sheet.save(path)
