"""Every parameter that a configuration has: its name, its type, what it may be.

The catalogue is made from ``Architecture`` and ``Recipe`` themselves, so that a field added there
can be fixed or searched by a study at once, as ``net.<field>`` or ``recipe.<field>``.
"""

import functools
import re
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from model.hyperparameters import Architecture, Recipe

Value = int | float | str | bool

MAX_DEPTH = 6
"""The most convolutions that a study may ask for."""

_UNBOUNDED = 10**9
# Bounds of the fields for which "a positive whole number" or "a number from 0" would be too wide.
_BOUNDS: dict[str, tuple[float, float]] = {
    "net.stride": (1, 8),
    "net.poolings": (0, MAX_DEPTH),
    "net.dropout": (0, 0.95),
    "recipe.way": (2, 1000),
    "recipe.rate_factor": (1e-6, 1e3),
    "recipe.distortion": (0, 5),
    "recipe.warp": (0, 5),
    "recipe.zoom": (0, 1.5),
    "recipe.elastic": (0, 20),
    "recipe.splice": (0, 1),
}
_RATES: dict[str, tuple[float, float]] = {
    "learning_rate": (1e-8, 10),
    # At 1 the velocity never decays, and every run diverges.
    "momentum": (0, 0.99),
    "l2": (0, 10),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a configuration.

    Attributes:
        name: as in a study, ``conv1.filters``.
        kind: ``int``, ``float``, ``bool``, or ``str`` for one of ``options``.
        low: smallest allowed number.
        high: largest allowed number.
        options: the allowed values where ``kind`` is ``str`` or ``bool``.
        default: its value where a study says nothing; None where a study must say.
    """

    name: str
    kind: Literal["int", "float", "bool", "str"]
    low: float = 0
    high: float = _UNBOUNDED
    options: tuple[Value, ...] = ()
    default: Value | None = None

    @property
    def depth(self) -> int:
        """How many convolutions a net needs to have this parameter; 0 for any net."""
        match = re.match(r"conv(\d+)\.", self.name)
        return int(match[1]) if match else 0

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if self.options:
            return "one of " + ", ".join(map(toml, self.options))
        kind = "a whole number" if self.kind == "int" else "a number"
        return f"{kind} from {self.low:g}" + (
            f" to {self.high:g}" if self.high < _UNBOUNDED else " up"
        )

    def check(self, value: object) -> Value:
        """Return ``value`` in this parameter's type.

        Raises:
            ValueError: it is of another type, or out of range.
        """
        if self.options:
            if any(value == option and type(value) is type(option) for option in self.options):
                return value  # type: ignore[return-value]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            whole = isinstance(value, int)
            if (whole or self.kind == "float") and self.low <= value <= self.high:
                return value if self.kind == "int" else float(value)
        raise ValueError(f"{toml(value)} is not allowed; it must be {self.allowed}")


def toml(value: object) -> str:
    """Return ``value`` as it would stand in a study file."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


@functools.cache
def catalogue() -> dict[str, Parameter]:
    """Return every parameter there is, by name, in the order of the layers."""
    named = [
        Parameter("net.depth", "int", 1, MAX_DEPTH, default=len(Architecture().filters)),
    ]
    for layer in (*(f"conv{i + 1}" for i in range(MAX_DEPTH)), "fc", "output"):
        if layer.startswith("conv"):
            named += [
                Parameter(f"{layer}.filters", "int", 1, 1024),
                Parameter(f"{layer}.kernel_size", "int", 1, 31),
            ]
        elif layer == "fc":
            named.append(Parameter("fc.units", "int", 1, 16384))
        named += [
            Parameter(f"{layer}.{rate}", "float", low, high) for rate, (low, high) in _RATES.items()
        ]
    named += _of_fields("net", Architecture, {"image_size", "filters", "kernel_sizes", "units"})
    named += _of_fields("recipe", Recipe, set())
    return {parameter.name: parameter for parameter in named}


def _of_fields(prefix: str, owner: type, left_out: set[str]) -> list[Parameter]:
    hints = get_type_hints(owner)
    made = []
    for entry in fields(owner):
        if entry.name in left_out:
            continue
        assert entry.default is not MISSING, f"{owner.__name__}.{entry.name} needs a default"
        name, hint, default = f"{prefix}.{entry.name}", hints[entry.name], entry.default
        options: tuple[Any, ...] = get_args(hint)
        if options:
            made.append(Parameter(name, "str", options=options, default=default))
        elif hint is bool:
            made.append(Parameter(name, "bool", options=(False, True), default=default))
        else:
            low, high = _BOUNDS.get(name, (1 if hint is int else 0, _UNBOUNDED))
            kind: Literal["int", "float"] = "int" if hint is int else "float"
            made.append(Parameter(name, kind, low, high, default=default))
    return made
