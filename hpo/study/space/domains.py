"""What a study file says of each parameter: one value, a range, or choices."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from hpo.study.errors import ConfigError, did_you_mean
from hpo.study.space.catalogue import Parameter, Value, catalogue, toml

_MOST_STEPS = 10**9


@dataclass(frozen=True)
class Fixed:
    """A parameter with the same value in every trial."""

    value: Value

    def ends(self) -> tuple[Value, ...]:
        """Return the one value."""
        return (self.value,)


@dataclass(frozen=True)
class Range:
    """A number searched from ``low`` to ``high``, both included.

    With ``when`` it is a conditional parameter: searched only in trials in which each parameter
    named there has one of the values beside it.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def ends(self) -> tuple[Value, ...]:
        """Return the smallest and the largest value."""
        return (self.low, self.high)

    def __contains__(self, value: float) -> bool:
        steps = (value - self.low) / self.step if self.step else 0
        return self.low <= value <= self.high and abs(steps - round(steps)) < 1e-9

    def __str__(self) -> str:
        text = f"{self.low:g} to {self.high:g}"
        text += f" in steps of {self.step:g}" if self.step else ""
        return text + (" (log scale)" if self.log else "")


@dataclass(frozen=True)
class Choices:
    """A parameter searched among ``options``; ``when`` as in `Range`."""

    options: tuple[Value, ...]
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def ends(self) -> tuple[Value, ...]:
        """Return every option."""
        return self.options

    def __contains__(self, value: Value) -> bool:
        return value in self.options

    def __str__(self) -> str:
        return ", ".join(map(toml, self.options))


Specification = Fixed | Range | Choices


def read(parameters: Mapping[str, Any]) -> dict[str, Specification]:
    """Return the specification of each parameter in ``[parameters]``, patterns expanded.

    Raises:
        ConfigError: a name matches nothing, or a value is not allowed for its parameter.
    """
    known = known_names(parameters)
    specifications = {}
    for name, raw in expand(parameters, known).items():
        try:
            specifications[name] = _specification(catalogue()[name], raw)
        except ValueError as error:
            raise ConfigError(f"parameters: {name}: {error}") from None
    for name, specification in specifications.items():
        if not isinstance(specification, Fixed):
            _check_when(name, specification.when, known)
    return specifications


def known_names(parameters: Mapping[str, Any]) -> list[str]:
    """Return the parameters that a net of these ``[parameters]`` may have, by its largest depth.

    Raises:
        ConfigError: ``net.depth`` is not allowed.
    """
    depth = catalogue()["net.depth"]
    try:
        specification = _specification(depth, parameters.get(depth.name, depth.default))
    except ValueError as error:
        raise ConfigError(f"parameters: net.depth: {error}") from None
    largest = max(map(int, specification.ends()))
    return [name for name, parameter in catalogue().items() if parameter.depth <= largest]


def overlaid(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``[parameters]`` of a base with those of a derived study over them, by exact name.

    Whatever ``own`` names, exactly or by a pattern, is as ``own`` says; layers that its depth does
    not have are left out.

    Raises:
        ConfigError: as `expand` does.
    """
    known = known_names({**base, **own})
    everywhere = max(known, known_names(base), key=len)
    both = expand(base, everywhere) | expand(own, known)
    return {name: both[name] for name in known if name in both}


def matching(patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that one of ``patterns`` matches."""
    several = list(patterns)
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in several)]


def expand(given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Return ``given`` with every pattern (``conv*.filters``) replaced by the names it matches.

    An exact name takes precedence over a pattern; no name may match two patterns.

    Raises:
        ConfigError: a pattern matches nothing, or two patterns match the same name.
    """
    names = list(known)
    values: dict[str, Any] = {}
    matched_by: dict[str, str] = {}
    for pattern, raw in given.items():
        if pattern in names:
            continue
        matches = [name for name in names if fnmatchcase(name, pattern)]
        if not matches:
            raise ConfigError(_unknown(pattern, names))
        for name in matches:
            if name in matched_by and name not in given:
                raise ConfigError(
                    f'"{matched_by[name]}" and "{pattern}" both match {name}; '
                    "name it exactly, or make the patterns narrower"
                )
            matched_by[name] = pattern
            values[name] = raw
    values.update({name: given[name] for name in names if name in given})
    return {name: values[name] for name in names if name in values}


def _unknown(name: str, names: list[str]) -> str:
    parameter = catalogue().get(name)
    if parameter is not None and parameter.depth:
        return f'"{name}" exists only where net.depth is {parameter.depth} or more'
    within = next((one for one in names if one.startswith(f"{name}.")), None)
    quoted = within and f'; quote whole names, such as "{within}".'  # else TOML nests them
    hint = quoted or did_you_mean(name, names) or "."
    return f'"{name}" matches no parameter{hint} There are: {", ".join(names)}'


def _specification(parameter: Parameter, raw: Any) -> Specification:
    if isinstance(raw, list):
        listed = f"[{', '.join(map(toml, raw))}]"
        raise ValueError(f"{listed} is a list; to search it, give {{ choices = {listed} }}")
    if not isinstance(raw, Mapping):
        return Fixed(parameter.check(raw))
    allowed = {"choices", "when"} if "choices" in raw else {"low", "high", "step", "log", "when"}
    for key in raw:
        if key not in allowed:
            hint = did_you_mean(key, sorted(allowed))
            raise ValueError(f'unknown key "{key}"{hint} (allowed: {", ".join(sorted(allowed))})')
    when = _when(raw.get("when", {}))
    if "choices" in raw:
        return _choices(parameter, raw["choices"], when)
    return _range(parameter, raw, when)


def _choices(parameter: Parameter, raw: Any, when: Mapping[str, tuple[Value, ...]]) -> Choices:
    if not isinstance(raw, list) or len(raw) < 2:
        raise ValueError(f"choices = {raw!r}: give a list of at least two values")
    options = tuple(parameter.check(option) for option in raw)
    if len(set(options)) < len(options):
        raise ValueError(f"choices = {raw!r}: a value is listed twice")
    return Choices(options, when)


def _range(
    parameter: Parameter, raw: Mapping[str, Any], when: Mapping[str, tuple[Value, ...]]
) -> Range:
    if parameter.options:
        raise ValueError(f"it cannot be a range; give choices, {parameter.allowed}")
    for key in ("low", "high"):
        if key not in raw:
            raise ValueError(f'"{key}" is missing; a searched number needs low and high')
    ends = []
    for key in ("low", "high"):
        try:
            ends.append(parameter.check(raw[key]))
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    low, high = map(float, ends)
    log, step = raw.get("log", False), raw.get("step")
    if not isinstance(log, bool):
        raise ValueError(f"log: {toml(log)} is not allowed; it must be true or false")
    if low >= high:
        raise ValueError(
            f"low = {low:g} must be below high = {high:g}; give a plain value to fix it"
        )
    if log and low <= 0:
        raise ValueError(f"low = {low:g}: a log scale starts above 0; give a small positive number")
    if step is not None:
        _check_step(parameter, step, low, high, log)
    if parameter.kind == "int":
        return Range(int(low), int(high), step, log, when)
    return Range(low, high, step, log, when)


def _check_step(parameter: Parameter, step: Any, low: float, high: float, log: bool) -> None:
    whole = isinstance(step, int) and not isinstance(step, bool)
    number = whole or (parameter.kind == "float" and isinstance(step, float))
    if not number or not 0 < step < math.inf:
        raise ValueError(f"step: {toml(step)} is not allowed; it must be a positive number")
    if log:
        raise ValueError("step and log = true exclude each other")
    if (high - low) / step > _MOST_STEPS:
        raise ValueError(f"step = {step:g} makes more than {_MOST_STEPS:,} values; leave it out")
    if high not in Range(low, high, step):
        raise ValueError(f"high = {high:g} is not a whole number of steps of {step:g} from {low:g}")


def _when(raw: Any) -> dict[str, tuple[Value, ...]]:
    if not isinstance(raw, Mapping):
        raise ValueError(f'when = {raw!r}: give a table, {{ "recipe.batch" = "episodes" }}')
    return {
        name: tuple(values) if isinstance(values, list) else (values,)
        for name, values in raw.items()
    }


def _check_when(name: str, when: Mapping[str, tuple[Value, ...]], known: list[str]) -> None:
    for parent, values in when.items():
        key = f"parameters: {name}: when"
        if parent not in known:
            raise ConfigError(f"{key}: {_unknown(parent, known)}")
        if parent == name:
            raise ConfigError(f"{key}: it cannot depend on itself")
        for value in values:
            try:
                catalogue()[parent].check(value)
            except ValueError as error:
                raise ConfigError(f"{key}: {parent}: {error}") from None
