"""A study on a folder of the user's own images: what was found in it, told before anything runs."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console

from data.dataset import ROLES, Dataset
from data.errors import DataError
from data.folder_tree import listed
from data.images import decode_grey, read_bytes
from data.listing import shown
from hpo.definition import StudyDefinition
from hpo.inputs import inputs_of, load_data
from hpo.progress import bars
from model.errors import ModelError

SHEET = "inputs.png"
_SHOWN = 60
"""Images on the sheet; so many show every kind of fault that is common."""
_MANY = 200
"""So many images and more take a time that wants a bar."""

_DOES = {"train": "train", "validation": "validate", "test": "test"}


def tell_folder(output: Console, definition: StudyDefinition, folder: Path | None = None) -> None:
    """Read the study's folder of images, and print what is in it and how it is used.

    Args:
        output: where to print.
        definition: the study's; its data is a folder.
        folder: the study's own, where a sheet of what was read is left, once; None for none.

    Raises:
        DataError: the folder cannot be used, or holds too little for the study.
    """
    with reading(output) as progress:
        dataset = load_data(definition, None, progress)
    for line in found(dataset, definition):
        output.print(line, markup=False, highlight=False)
    inputs_of(dataset, definition, "cpu")
    if folder is not None and not (folder / SHEET).exists():
        try:
            _leave_sheet(dataset, folder / SHEET)
            said = f"what was read: {folder / SHEET}"
        except (ModelError, OSError) as error:  # a convenience: the study runs without
            said = f"what was read could not be drawn: {getattr(error, 'strerror', None) or error}"
        output.print(f"  {said}", markup=False, highlight=False)


@contextmanager
def reading(output: Console) -> Iterator[Callable[[int, int], None]]:
    """Show a bar, in a terminal, while the block reads many images; give what to tell it."""
    with bars(output) as progress:
        task = None

        def tell(done: int, total: int) -> None:
            nonlocal task
            if task is None and total >= _MANY:
                task = progress.add_task("reading images", total=total, note="")
            if task is not None:
                progress.update(task, completed=done)

        yield tell


def found(dataset: Dataset, definition: StudyDefinition) -> Iterator[str]:
    """Yield what a data set holds, who trains, validates and tests, and what was read how."""
    drawings = dataset.drawings
    split_up = all(dataset.alphabets[role] == (role,) for role in ROLES)
    alphabets = 1 if split_up else len(drawings.alphabet_names)
    roles = []
    for role in ROLES:
        names = dataset.alphabets[role]
        part = drawings.of_alphabets(names)
        characters = len(part.character.unique())
        which = "" if split_up else f"{listed(names)}, "
        roles.append(f"{_DOES[role]}: {which}{characters:,} characters")
    yield (
        f"Data {dataset.name}: {alphabets:,} alphabet{'s' * (alphabets != 1)}, "
        f"{len(drawings.character_names):,} characters, {len(drawings):,} drawings; "
        + "; ".join(roles)
    )
    train, validation = dataset.drawers["train"], dataset.drawers["validation"]
    if definition.data.drawers == "paper" and train != validation:
        yield f"  {len(train)} drawers train, {len(validation)} others validate"
    if dataset.own:
        yield from (f"  {remark}" for remark in dataset.own.remarks)


def _leave_sheet(dataset: Dataset, path: Path) -> None:
    """Draw a sample of the images beside what was read of them, whole or not at all."""
    from model.showing import show_inputs

    assert dataset.own is not None
    drawings = dataset.drawings
    step = max(1, len(drawings) / _SHOWN)
    some = [int(i * step) for i in range(min(_SHOWN, len(drawings)))]
    pictures = [
        (
            drawings.character_names[int(drawings.character[i])],
            _grey(dataset.own.files[i]),
            drawings.ink[i].numpy(),
        )
        for i in some
    ]
    part = path.with_suffix(f".{os.getpid()}.part.png")
    try:
        show_inputs(pictures, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _grey(file: Path) -> np.ndarray | None:
    """Return the image as it is, or nothing where it went since it was read."""
    try:
        return decode_grey(read_bytes(file, shown(file)), shown(file))
    except DataError:
        return None
