"""From the options of a command to the study that they name."""

from pathlib import Path

from hpo.study.files import load
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from model.device import device_named

_WHAT = {"paper": "a CUDA GPU", "compact": "a CPU"}


def default_study(device: str) -> str:
    """Return the study to run on ``device`` where none is named."""
    return "paper" if device.startswith("cuda") else "compact"


def named_study(
    study: str | None,
    device: str,
    *,
    out: Path,
    storage: str | None,
    data_root: Path | None,
    **changes: str | int | None,
) -> StudyRun:
    """Return the study that the options name, and how it runs.

    Args:
        study: ``--study``; None for the one that suits the device.
        device: ``--device``.
        out: ``--out``.
        storage: ``--storage``.
        data_root: ``--data-root``.
        changes: what differs from the study's file, as in `StudyConfig.changed`.

    Raises:
        ConfigError: there is no such study, its file is wrong, or an option does not fit it.
        DeviceError: there is no such device here.
    """
    if study is None:
        study = default_study(device_named(device))
        print(f"No --study given: {study}, the one for {_WHAT[study]}.")
    config = load(study).changed(**changes)
    location = StudyLocation(config.name, out, storage)
    # Last, since it may import torch, which takes seconds that a wrong option should not cost.
    device = device_named(device)
    return StudyRun(config=config, location=location, data_root=data_root, device=device)


def existing_study(study: str, out: Path, storage: str | None) -> StudyLocation:
    """Return where a study is kept that is only read, named as to ``--study``.

    Raises:
        ConfigError: no study can have this name.
    """
    return StudyLocation(Path(study.removesuffix(".toml")).name, out, storage)


def source_location(name: str, location: StudyLocation) -> StudyLocation:
    """Return where the study of ``--from`` is kept: in a folder, or beside ``location``.

    Raises:
        ConfigError: no study can have this name.
    """
    path = Path(name)
    if len(path.parts) > 1:
        return StudyLocation(path.name, path.parent)
    return StudyLocation(name, location.out, location.storage)
