"""From the options of a command to the study that they name."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpo.study.config import StudyConfig, of_identity, spelled_out
from hpo.study.files import available, changed, load
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from model.device import device_named

_log = logging.getLogger(__name__)

_SHOWN = 3
"""Differences from a study file that are said; more would hide what follows."""


def named_study(
    study: str | None,
    device: str,
    *,
    out: Path,
    storage: str | None,
    data_root: Path | None,
    settings: Sequence[str] | None = None,
    **changes: str | int | None,
) -> StudyRun:
    """Return the study that the options of these names name, and how it runs.

    Without a ``study`` it is the one that suits the device. ``settings`` are as in `load`,
    ``changes`` as in `StudyConfig.changed`.

    Raises:
        ConfigError: there is no such study, its file is wrong, or an option does not fit it.
        StudyError: the database that holds it cannot be read.
        DeviceError: there is no such device here.
    """
    if study is None:
        cuda = device_named(device).startswith("cuda")
        study, what = ("paper", "a CUDA GPU") if cuda else ("compact", "a CPU")
        print(f"No --study given: {study}, the one for {what}.")
    location = existing_study(study, out, storage)
    config = find_config(study, location, settings or ()).changed(**changes)
    # Last, since it may import torch, which takes seconds that a wrong option should not cost.
    device = device_named(device)
    return StudyRun(config=config, location=location, data_root=data_root, device=device)


def find_config(study: str, location: StudyLocation, settings: Sequence[str] = ()) -> StudyConfig:
    """Return the config of a study: by its name that of its database, if it has begun there.

    What a study file of that name says otherwise does not count then, which is said; what it says
    of the description, the total of trials and the final fit does. A study file that is named by
    its path counts in any case. ``settings`` are as in `load`.

    Raises:
        ConfigError: there is no such study, or its file or a setting is wrong.
        StudyError: the database cannot be read.
    """
    from hpo.study.open import OPTIONS, read_record

    if study.endswith(".toml"):
        return load(study, settings)
    record = read_record(location)
    known = study in available()
    if record is None or record.config is None or (known and record.data is None):
        return load(study, settings)
    begun = of_identity(study, record.config, record.beside, record.description)
    if not known:
        return changed(begun, settings)
    was = spelled_out(begun.identity())
    options = {name: was[key] for name, key in OPTIONS.items()}
    file = changed(load(study).changed(**options), settings)
    now = spelled_out(file.identity())
    differ = [key for key in {**was, **now} if was.get(key) != now.get(key)]
    if not differ:
        return file
    if not settings:
        _log.warning("%s", _goes_on(study, differ, was, now))
    return changed(begun, settings)


def _goes_on(study: str, differ: Sequence[str], was: Any, now: Any) -> str:
    shown = [
        f"{key} = {json.dumps(was.get(key))}, not {json.dumps(now.get(key))}"
        for key in differ[:_SHOWN]
    ]
    more = f" and {len(differ) - _SHOWN} more" if len(differ) > _SHOWN else ""
    return (
        f"study {study} goes on as it was begun, which differs from the study file of this name: "
        f"{'; '.join(shown)}{more}"
    )


def existing_study(study: str, out: Path, storage: str | None) -> StudyLocation:
    """Return where a study is kept that is only read, named as to ``--study``.

    Raises:
        ConfigError: no study can have this name.
    """
    return StudyLocation(Path(study).stem if study.endswith(".toml") else study, out, storage)


def named_source(name: str, location: StudyLocation) -> StudyLocation | Path:
    """Return what ``--from`` names: a ``.toml`` file, a study's folder, or one beside ``location``.

    Raises:
        ConfigError: no study can have this name.
    """
    path = Path(name)
    if path.suffix == ".toml":
        return path
    if len(path.parts) > 1:
        return StudyLocation(path.name, path.parent)
    return StudyLocation(name, location.out, location.storage)
