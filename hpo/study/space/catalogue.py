"""Every parameter that a configuration has: its name, its type, what it may be.

The catalogue is made from ``Architecture`` and ``Recipe`` themselves, so that a field added there
can be fixed or searched by a study at once, as ``net.<field>`` or ``recipe.<field>``.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from functools import cache, cached_property
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from model.hyperparameters import MAX_DEPTH, Architecture, Bounds, LayerRates, Recipe

Value = int | float | str | bool

_UNBOUNDED = 10**9


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

    @cached_property
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
    if isinstance(value, str):
        # What JSON escapes TOML does too, which allows one character less.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def known_values(values: Mapping[str, object]) -> dict[str, Value]:
    """Return those of ``values`` that a study file may hold.

    A trial that another program has added to a study may have others.
    """
    known = {}
    for name in catalogue().keys() & values:
        with suppress(ValueError):
            known[name] = catalogue()[name].check(values[name])
    return {name: known[name] for name in values if name in known}


@cache
def catalogue() -> dict[str, Parameter]:
    """Return every parameter there is, by name, in the order of the layers."""
    net, recipe, rates = (
        get_type_hints(owner, include_extras=True) for owner in (Architecture, Recipe, LayerRates)
    )
    # What each layer has of its own is a parameter of that layer, not of the net.
    del net["image_size"]
    conv = {
        "filters": get_args(net.pop("filters"))[0],
        "kernel_size": get_args(net.pop("kernel_sizes"))[0],
    }
    layers = {f"conv{i + 1}": conv for i in range(MAX_DEPTH)}
    layers |= {"fc": {"units": net.pop("units")}, "output": {}}
    depth = Annotated[int, Bounds(1, MAX_DEPTH)]
    found = [_parameter("net.depth", depth, len(Architecture().filters))]
    for layer, own in layers.items():
        found += [_parameter(f"{layer}.{name}", hint) for name, hint in (own | rates).items()]
    for prefix, owner, hints in (("net", Architecture, net), ("recipe", Recipe, recipe)):
        defaults = {entry.name: entry.default for entry in fields(owner)}
        for name, hint in hints.items():
            assert defaults[name] is not MISSING, f"{owner.__name__}.{name} needs a default"
            found.append(_parameter(f"{prefix}.{name}", hint, defaults[name]))
    return {parameter.name: parameter for parameter in found}


def _parameter(name: str, hint: Any, default: Any = None) -> Parameter:
    """Return the parameter of a field with the type ``hint``, its `Bounds` beside it if it has."""
    if get_origin(hint) is Literal:
        return Parameter(name, "str", options=get_args(hint), default=default)
    if hint is bool:
        return Parameter(name, "bool", options=(False, True), default=default)
    number, bounds = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
    bounds = bounds or Bounds(1 if number is int else 0, _UNBOUNDED)
    return Parameter(name, number.__name__, bounds.low, bounds.high, default=default)
