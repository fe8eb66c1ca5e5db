"""An ensemble on disk: ``ensemble.json``, and each net as one of its own in ``ensemble/seed-N``."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from data.files.atomic import remove, write_bytes
from model.errors import ModelError
from model.net.calibration import Calibration
from model.net.ensemble import Ensemble
from model.net.saved import (
    CONFIG,
    CalibrationRecord,
    SavedNet,
    Strict,
    load_net,
    read_record,
    save_net,
)
from model.net.siamese import SiameseNet

ENSEMBLE, MEMBERS = "ensemble.json", "ensemble"
FORMAT = "siamese-ensemble 1"
"""Counted up when older files can no longer be read."""


@dataclass(frozen=True, kw_only=True)
class SavedEnsemble:
    """An ensemble with what is needed to use it.

    Attributes:
        net: on the CPU, set to evaluation.
        seeds: of its members, in their order.
        calibration: from its logits to similarities.
        threshold: as of a calibrated `SavedNet`.
        provenance: where it comes from, as plain JSON values.
    """

    net: Ensemble
    seeds: Sequence[int]
    calibration: Calibration
    threshold: float = 0.5
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def image_size(self) -> int:
        """Pixels along each side of the images that it takes."""
        return self.net.architecture.image_size


def save_ensemble(folder: Path, saved: SavedEnsemble) -> None:
    """Write ``saved`` into ``folder``, ``ensemble.json`` last; without that there is none.

    Raises:
        OSError: the folder cannot be written.
    """
    remove_ensemble(folder)
    members = zip(saved.seeds, saved.net.members, saved.net.calibrations, strict=True)
    for seed, net, calibration in members:
        assert isinstance(net, SiameseNet)
        provenance = {**saved.provenance, "seed": seed}
        member = SavedNet(net=net, calibration=calibration, provenance=provenance)
        save_net(_member(folder, seed), member)
    record = {
        "format": FORMAT,
        "seeds": list(saved.seeds),
        "calibration": asdict(saved.calibration),
        "provenance": dict(saved.provenance),
    }
    write_bytes(folder / ENSEMBLE, json.dumps(record, indent=2).encode())


def remove_ensemble(folder: Path) -> None:
    """Remove the ensemble in ``folder``, if there is one.

    Raises:
        OSError: the folder cannot be written.
    """
    remove(folder / ENSEMBLE)
    shutil.rmtree(folder / MEMBERS, ignore_errors=True)


def load_ensemble(folder: Path) -> SavedEnsemble:
    """Return the ensemble that `save_ensemble` wrote into ``folder``.

    Raises:
        ModelError: a file is missing, damaged, or not one of these; says which.
    """
    record = read_record(folder / ENSEMBLE, _Record)
    nets, calibrations = [], []
    for seed in record.seeds:
        member = load_net(_member(folder, seed))
        if member.calibration is None:
            raise ModelError(f"{_member(folder, seed)} is not calibrated, so it is no member")
        nets.append(member.net)
        calibrations.append(member.calibration)
    try:
        net = Ensemble(nets, calibrations)
    except ValueError as error:
        raise ModelError(f"{folder / MEMBERS} is damaged: {error}") from None
    return SavedEnsemble(
        net=net.eval(),
        seeds=tuple(record.seeds),
        calibration=Calibration(**dict(record.calibration)),
        provenance=record.provenance,
    )


def load_answering(folder: Path, *, single: bool = False) -> SavedNet | SavedEnsemble:
    """Return what answers for a ``final`` folder: its ensemble if it holds one, else its net.

    Args:
        folder: of the fit.
        single: the net, whether or not there is an ensemble.

    Raises:
        ModelError: a file is missing, damaged, or not one of these; says which, and what to do.
    """
    # Not Path.exists, which raises where a folder cannot be looked into.
    joined = not single and os.path.exists(folder / ENSEMBLE)
    try:
        return load_ensemble(folder) if joined else load_net(folder)
    except ModelError as error:
        hint = "run the final fit again"
        if joined:
            hint += ", or ask its single net with --single"
        elif not os.path.exists(folder / CONFIG):
            hint = "--model names a folder that the final fit wrote, such as studies/NAME/final"
        raise ModelError(f"{error}; {hint}") from None


def _each_once(seeds: list[int]) -> list[int]:
    if len({*seeds}) < len(seeds):
        raise ValueError("a seed is listed twice, and would count double")
    return seeds


class _Record(Strict):
    format: str = Field(pattern=f"^{FORMAT}$")
    seeds: Annotated[
        list[Annotated[int, Field(ge=0)]],
        Field(min_length=1, max_length=1000),
        AfterValidator(_each_once),
    ]
    calibration: CalibrationRecord
    provenance: dict[str, Any]


def _member(folder: Path, seed: int) -> Path:
    return folder / MEMBERS / f"seed-{seed}"
