"""The search space: from a study's ``[parameters]`` to the ``Hyperparameters`` of a trial."""

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hpo.study.errors import ConfigError, did_you_mean
from hpo.study.space.catalogue import Value, catalogue, toml
from hpo.study.space.domains import Choices, Fixed, Range, expand, read
from model.hyperparameters import Architecture, Hyperparameters, LayerRates, Recipe

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_MOST_COMBINATIONS = 200
"""Of choices, checked when a space is built; where there are more, this many random ones."""


def search_space(
    parameters: Mapping[str, Any],
    initial_configurations: Sequence[Mapping[str, Any]] = (),
    *,
    image_size: int,
) -> "SearchSpace":
    """Return the `SearchSpace` of these arguments, built and checked once in this process.

    Raises:
        ConfigError: a parameter is wrong, or some configuration cannot be trained.
    """
    return _built(json.dumps([parameters, initial_configurations, image_size], default=str))


@lru_cache(maxsize=64)
def _built(arguments: str) -> "SearchSpace":
    parameters, starts, image_size = json.loads(arguments)
    return SearchSpace(parameters, starts, image_size=image_size)


class SearchSpace:
    """The configurations that a study may try.

    Attributes:
        image_size: pixels along each side of the input.
        specifications: what the study says of each parameter, by name, patterns expanded.
        searched: those of them that a trial samples.
        initial_configurations: those enqueued before the sampler's own.

    Example:
        >>> space = load("compact").space()
        >>> hyperparameters = space.hyperparameters(space.initial_configurations[0])
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        initial_configurations: Sequence[Mapping[str, Any]] = (),
        *,
        image_size: int,
    ):
        self.image_size = image_size
        self.specifications = read(parameters)
        self.searched: dict[str, Range | Choices] = {
            name: specification
            for name, specification in self.specifications.items()
            if not isinstance(specification, Fixed)
        }
        self.initial_configurations = tuple(
            self._start(i, start) for i, start in enumerate(initial_configurations)
        )
        self._check_corners()

    def fixed_value(self, name: str) -> Value | None:
        """Return the value that the parameter has in every trial; None if it has no such value."""
        specification = self.specifications.get(name)
        if specification is None:
            return catalogue()[name].default
        return specification.value if isinstance(specification, Fixed) else None

    def suggest(self, trial: "BaseTrial") -> Hyperparameters:
        """Return the configuration that ``trial`` suggests."""

        def choose(name: str, specification: Range | Choices) -> Value:
            if isinstance(specification, Choices):
                return trial.suggest_categorical(name, specification.options)  # type: ignore[return-value]
            low, high, log = specification.low, specification.high, specification.log
            if catalogue()[name].kind == "int":
                step = int(specification.step or 1)
                return trial.suggest_int(name, int(low), int(high), step=step, log=log)
            return trial.suggest_float(name, low, high, step=specification.step, log=log)

        return self._build(self._resolve(choose))

    def hyperparameters(self, values: Mapping[str, Any]) -> Hyperparameters:
        """Return the configuration of the study's fixed values and these for the searched ones.

        Raises:
            ConfigError: a searched parameter has no value here, or one that it cannot take.
        """
        return self._build(self._resolve(_chooser(values)))

    def check(self, values: Mapping[str, Any]) -> None:
        """Refuse values that no trial of this space has, whether they are all of a trial's or not.

        Raises:
            ConfigError: one is outside its search space, or of a parameter that is not searched.
        """
        choose = _chooser(values)
        for name in values:
            if name not in self.searched:
                raise ConfigError(f"{name} is not searched{did_you_mean(name, self.searched)}")
            choose(name, self.searched[name])

    def used(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """Return those of ``values`` that such a configuration samples.

        Raises:
            ConfigError: a searched parameter has no value here, or one that it cannot take.
        """
        return self._sampled(self._resolve(_chooser(values)))

    def fitted(self, values: Mapping[str, Any]) -> tuple[dict[str, Value], dict[str, Value]]:
        """Return ``values`` as a configuration of this space, and the defaults put into it.

        A parameter without a value here that it can take has its default.

        Raises:
            ConfigError: one of them has no default, or one that it cannot take.
        """
        replaced: dict[str, Value] = {}

        def choose(name: str, specification: Range | Choices) -> Value:
            try:
                return _chooser(values)(name, specification)
            except ConfigError:
                default = catalogue()[name].default
                if default is None or default not in specification:  # type: ignore[operator]
                    raise
                replaced[name] = default
                return default

        return self._sampled(self._resolve(choose)), replaced

    def corners(self) -> Iterator[dict[str, Value]]:
        """Yield the corners of the space: choices combined, numbers all lowest or all highest.

        Of more than 200 combinations of the choices, 200 are drawn at random.
        """
        return map(self._sampled, self._corners())

    def _corners(self) -> Iterator[dict[str, Value]]:
        searched = self.searched
        several = {n: s.options for n, s in searched.items() if isinstance(s, Choices)}
        if isinstance(depth := searched.get("net.depth"), Range):
            # Each depth is a different architecture, so its ends alone are not enough.
            several["net.depth"] = tuple(
                range(int(depth.low), int(depth.high) + 1, int(depth.step or 1))
            )
        for combination in _combinations(several):
            for end in (0, -1):
                numbers = {n: s.ends()[end] for n, s in searched.items() if n not in several}
                yield self._resolve(_chooser(numbers | combination))

    def _sampled(self, values: Mapping[str, Value]) -> dict[str, Value]:
        return {name: value for name, value in values.items() if name in self.searched}

    def _start(self, index: int, start: Mapping[str, Any]) -> dict[str, Value]:
        key = f"start.{index}"
        start = {n: v for n, v in start.items() if not self._is_fixed(n, v, key)}
        try:
            values = expand(start, self.searched)
            used = self.used(values)
        except ConfigError as error:
            raise ConfigError(f"{key}: {error}") from None
        # Patterns may also match layers that this configuration does not have.
        if unused := sorted((set(values) - set(used)) & set(start)):
            raise ConfigError(f"{key}: {unused[0]} is not searched in this configuration")
        return used

    def _is_fixed(self, name: str, value: Any, key: str) -> bool:
        """Return whether the parameter is fixed, and at this value, which may then be named.

        Raises:
            ConfigError: it is fixed at another value.
        """
        fixed = self.fixed_value(name) if name in catalogue() else None
        if fixed is None:
            return False
        if value != fixed or isinstance(value, bool) != isinstance(fixed, bool):
            raise ConfigError(
                f"{key}: {name} is fixed at {toml(fixed)}, not {toml(value)}; "
                "leave it out of the initial configuration"
            )
        return True

    def _resolve(self, choose: Callable[[str, Range | Choices], Value]) -> dict[str, Value]:
        """Return the active values, each parameter after those it depends on."""
        values: dict[str, Value] = {}
        pending: list[str] = []

        def value_of(name: str) -> Value | None:
            specification = self.specifications.get(name)
            if specification is not None and name not in values:
                if name in pending:
                    raise ConfigError(f"{name} depends on itself: {' -> '.join(pending)}")
                pending.append(name)
                if self._active(name, value_of):
                    values[name] = (
                        specification.value
                        if isinstance(specification, Fixed)
                        else choose(name, specification)
                    )
                pending.pop()
            return values.get(name, catalogue()[name].default)

        for name in self.specifications:
            value_of(name)
        return values

    def _active(self, name: str, value_of: Callable[[str], Value | None]) -> bool:
        depth = catalogue()[name].depth
        if depth and depth > int(value_of("net.depth") or 0):
            return False
        when = getattr(self.specifications[name], "when", {})
        return all(value_of(parent) in wanted for parent, wanted in when.items())

    def _build(self, values: Mapping[str, Value]) -> Hyperparameters:
        def get(name: str) -> Any:
            value = values.get(name, catalogue()[name].default)
            if value is None:
                raise ConfigError(f"no value for {name}; fix it or give it a range")
            return value

        depth = get("net.depth")
        layers = [f"conv{i + 1}" for i in range(depth)]
        net = {
            f.name: get(n) for f in fields(Architecture) if (n := f"net.{f.name}") in catalogue()
        }
        return Hyperparameters(
            architecture=Architecture(
                image_size=self.image_size,
                filters=tuple(get(f"{layer}.filters") for layer in layers),
                kernel_sizes=tuple(get(f"{layer}.kernel_size") for layer in layers),
                units=get("fc.units"),
                **net,
            ),
            recipe=Recipe(**{f.name: get(f"recipe.{f.name}") for f in fields(Recipe)}),
            rates={
                layer: LayerRates(
                    **{rate.name: get(f"{layer}.{rate.name}") for rate in fields(LayerRates)}
                )
                for layer in (*layers, "fc", "output")
            },
        )

    def _check_corners(self) -> None:
        """Refuse a space with a corner that cannot be trained."""
        for corner in self._corners():
            try:
                self._build(corner)
            except ValueError as error:
                where = self._sampled(corner)
                telling = [n for n in where if n.startswith("net.") or n.endswith("kernel_size")]
                telling += [n for n in where if isinstance(where[n], str) and n not in telling]
                shown = ", ".join(f"{name} = {toml(where[name])}" for name in telling)
                raise ConfigError(
                    f"not every configuration can be trained: {error} (at {shown})"
                ) from None


def _combinations(several: Mapping[str, tuple[Value, ...]]) -> Iterator[dict[str, Value]]:
    if math.prod(map(len, several.values())) <= _MOST_COMBINATIONS:
        for values in itertools.product(*several.values()):
            yield dict(zip(several, values, strict=True))
        return
    draw = random.Random(0)
    for _ in range(_MOST_COMBINATIONS):
        yield {name: draw.choice(values) for name, values in several.items()}


def _chooser(values: Mapping[str, Any]) -> Callable[[str, Range | Choices], Value]:
    def choose(name: str, specification: Range | Choices) -> Value:
        if name not in values:
            raise ConfigError(f"no value for {name}, which is searched ({specification})")
        try:
            value = catalogue()[name].check(values[name])
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from None
        if value not in specification:  # type: ignore[operator]
            raise ConfigError(
                f"{name}: {toml(value)} is outside its search space ({specification})"
            )
        return value

    return choose
