"""The study's space in plain terms, which ConfigSpace and Syne Tune can express.

A choice is the text of its option. A number that is searched in steps is the whole number of its
steps, so that it keeps its order.
"""

from collections.abc import Mapping
from typing import Any

from hpo.study.space.catalogue import Value, catalogue
from hpo.study.space.domains import Choices, Range
from hpo.study.space.search_space import SearchSpace


def steps(name: str, domain: Range) -> float | None:
    """Return the step of a number, None if it is searched in none."""
    one = catalogue()[name].kind == "int"
    return None if domain.step is None or (one and domain.step == 1) else domain.step


def to_flat(space: SearchSpace, params: Mapping[str, Value]) -> dict[str, Any]:
    """Return a configuration's values in plain terms."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        domain = space.searched[name]
        if isinstance(domain, Choices):
            flat[name] = str(value)
        else:
            step = steps(name, domain)
            flat[name] = value if step is None else round((value - domain.low) / step)
    return flat


def from_flat(space: SearchSpace, flat: Mapping[str, Any]) -> dict[str, Value]:
    """Return the configuration of values in plain terms; others are left out."""
    values: dict[str, Any] = {}
    for name, value in flat.items():
        domain = space.searched[name]
        if isinstance(domain, Choices):
            values[name] = next(option for option in domain.options if str(option) == value)
            continue
        step = steps(name, domain)
        number = float(value) if step is None else domain.low + value * step
        # The ends of a log scale come back from its logarithm.
        number = min(max(number, domain.low), domain.high)
        values[name] = round(number) if catalogue()[name].kind == "int" else number
    return space.used(values)
