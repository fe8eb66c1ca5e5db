"""A study on a folder of the user's own images: what was found in it, told before anything runs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from data.dataset import ROLES, Dataset
from data.errors import DataError
from data.images.listing import listed, shown
from hpo.study.config import StudyConfig
from hpo.study.run import StudyRun
from hpo.terminal.progress import reading
from hpo.training.data import load_dataset, study_data

SHEET = "inputs.png"
_SHOWN = 60
"""Images on the sheet; so many show every kind of fault that is common."""

_DOES = {"train": "train", "validation": "validate", "test": "test"}


def tell_folder(output: Console, run: StudyRun, folder: Path | None = None) -> None:
    """Read the study's folder of images, and print what is in it and how it is used.

    A sheet of what was read is left, once, in ``folder``, the study's own; None for no sheet.

    Raises:
        DataError: the folder cannot be used, or holds too little for the study.
    """
    with reading(output) as progress:
        dataset = load_dataset(run, progress)
    for line in found(dataset, run.config):
        output.print(line)
    study_data(dataset, replace(run, device="cpu"))
    if folder is not None and not (folder / SHEET).exists():
        try:
            _leave_sheet(dataset, folder / SHEET)
            said = f"what was read: {folder / SHEET}"
        except (OSError, DataError) as error:  # a convenience: the study runs without
            said = f"what was read could not be drawn: {getattr(error, 'strerror', None) or error}"
        output.print(f"  {said}")


def found(dataset: Dataset, config: StudyConfig) -> Iterator[str]:
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
    if config.data.drawers == "paper" and train != validation:
        yield f"  {len(train)} drawers train, {len(validation)} others validate"
    if dataset.own:
        yield from (f"  {remark}" for remark in dataset.own.remarks)


def _leave_sheet(dataset: Dataset, path: Path) -> None:
    """Draw a sample of the images beside what was read of them, whole or not at all."""
    from data.images.decode import decode_grey, read_bytes
    from data.images.sheet import show_inputs

    assert dataset.own is not None
    drawings = dataset.drawings
    step = max(1, len(drawings) / _SHOWN)
    some = [int(i * step) for i in range(min(_SHOWN, len(drawings)))]
    pictures = [
        (
            drawings.character_names[int(drawings.character[i])],
            decode_grey(read_bytes(dataset.own.files[i], ""), shown(dataset.own.files[i])),
            drawings.ink[i].numpy(),
        )
        for i in some
    ]
    show_inputs(pictures, path)
