"""A finished net on disk: ``model.safetensors`` and ``config.json``, read without unpickling."""

import json
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from safetensors import SafetensorError
from safetensors.torch import load, save

from data.files.atomic import write_bytes
from data.files.regular import read_regular
from model.errors import ModelError
from model.hyperparameters import MAX_DEPTH, Architecture
from model.net.calibration import IDENTITY, Calibration
from model.net.siamese import SiameseNet

WEIGHTS, CONFIG = "model.safetensors", "config.json"
FORMAT = "siamese-net 1"
"""Counted up when older files can no longer be read."""
_MOST_WEIGHTS = 2**33
"""Bytes; those of the paper's net are 156 million."""


@dataclass(frozen=True, kw_only=True)
class SavedNet:
    """A net with what is needed to use it.

    Attributes:
        net: on the CPU, set to evaluation.
        calibration: from its logits to similarities; None in files of earlier versions, whose
            similarity is the sigmoid of the logit.
        threshold: the similarity, in [0, 1], above which two drawings count as of one character.
            0.5 by the calibration; without one it may be 1, or next to 0, and then says nothing.
        provenance: where it comes from, as plain JSON values.
    """

    net: SiameseNet
    calibration: Calibration | None = IDENTITY
    threshold: float = 0.5
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def image_size(self) -> int:
        """Pixels along each side of the images that the net takes."""
        return self.net.architecture.image_size


def save_net(folder: Path, saved: SavedNet) -> None:
    """Write ``saved`` into ``folder``, each file whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # safetensors keeps plain layouts only; the net takes its own again when it is loaded.
    weights = {
        name: value.detach().cpu().contiguous() for name, value in saved.net.state_dict().items()
    }
    config = {
        "format": FORMAT,
        "architecture": asdict(saved.net.architecture),
        "verification_threshold": saved.threshold,
        "provenance": dict(saved.provenance),
    }
    if saved.calibration is not None:
        config["calibration"] = asdict(saved.calibration)
    write_bytes(folder / WEIGHTS, save(weights, {"format": "pt"}))
    write_bytes(folder / CONFIG, json.dumps(config, indent=2).encode())


def load_net(folder: Path) -> SavedNet:
    """Return the net that `save_net` wrote into ``folder``.

    Raises:
        ModelError: a file is missing, damaged, or not one of these; says which.
    """
    config = read_record(folder / CONFIG, _Config)
    path = folder / WEIGHTS
    try:
        weights = load(read_regular(path, _MOST_WEIGHTS))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelError(f"{path} is damaged or no safetensors file ({error})") from None
    # Built without memory first: a wrong config must not ask for more than the weights hold.
    try:
        with torch.device("meta"):
            net = SiameseNet(Architecture(**dict(config.architecture)))
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ModelError(f"{folder / CONFIG}: no net can be built of it ({error})") from None
    expected = {name: (value.shape, value.dtype) for name, value in net.state_dict().items()}
    found = {name: (value.shape, value.dtype) for name, value in weights.items()}
    if wrong := sorted(n for n in expected | found if expected.get(n) != found.get(n)):
        raise ModelError(
            f"{path} does not fit {CONFIG} beside it: {wrong[0]} is "
            f"{_shown(found.get(wrong[0]))}, expected {_shown(expected.get(wrong[0]))}"
        )
    if wrong := sorted(name for name, value in weights.items() if not value.isfinite().all()):
        raise ModelError(f"{path} is damaged: {wrong[0]} holds numbers that are not finite")
    net.load_state_dict(weights, assign=True)
    net.to(memory_format=torch.channels_last)
    net.eval()
    return SavedNet(
        net=net,
        calibration=Calibration(**dict(config.calibration)) if config.calibration else None,
        threshold=config.verification_threshold,
        provenance=config.provenance,
    )


class Strict(BaseModel):
    """A record that a stranger may have written."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def _architecture_section() -> type[Strict]:
    """Return the section with the fields, bounds and defaults of `Architecture`."""
    hints = get_type_hints(Architecture, include_extras=True)
    keys: dict[str, Any] = {}
    for entry in fields(Architecture):
        most = MAX_DEPTH if isinstance(entry.default, tuple) else None
        keys[entry.name] = (hints[entry.name], Field(entry.default, max_length=most))
    return create_model("Architecture", __base__=Strict, **keys)


class CalibrationRecord(Strict):
    """A `Calibration`, as it is written."""

    shift: float
    scale: float = Field(gt=0)


class _Config(Strict):
    format: str = Field(pattern=f"^{FORMAT}$")
    architecture: _architecture_section()  # type: ignore[valid-type]
    verification_threshold: float = Field(ge=0, le=1)
    provenance: dict[str, Any]
    # A default is not checked, so that it may be left out, as by earlier versions, but not null.
    calibration: CalibrationRecord = None  # type: ignore[assignment]


_Record = TypeVar("_Record", bound=Strict)


def read_record(path: Path, kind: type[_Record]) -> _Record:
    """Return the record in a JSON file.

    Raises:
        ModelError: it is missing, damaged, or not one of these; says which.
    """
    try:
        return kind.model_validate_json(read_regular(path))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        problems = error.errors(include_url=False)
    first = problems[0]
    if first["type"] == "json_invalid":
        raise ModelError(f"{path} is damaged: it is not JSON")
    if any(problem["loc"] in ((), ("format",)) for problem in problems):
        raise ModelError(f"{path} is not of this project, or of another version of it")
    where, value = ".".join(map(str, first["loc"])), reprlib.repr(first["input"])
    raise ModelError(f"{path} is damaged: {where} = {value}: {first['msg']}")


def _shown(tensor: tuple[torch.Size, torch.dtype] | None) -> str:
    if tensor is None:
        return "missing"
    return f"{tuple(tensor[0])} {str(tensor[1]).removeprefix('torch.')}"
