"""Starting from another study's best: ``--from STUDY``.

What is taken over is written into the study once, as the configurations of trials to come, so that
a study that goes on, here or elsewhere, tries each of them exactly once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.study.space.catalogue import Value, catalogue, toml
from hpo.study.space.domains import Range
from hpo.study.space.search_space import SearchSpace

if TYPE_CHECKING:
    import optuna

    from hpo.study.storage.location import StudyLocation

TAKEN = 5
"""How many of the other study's best configurations are tried."""

_ATTRIBUTE = "taken_over"


@dataclass(frozen=True)
class Fitted:
    """A configuration as another space can try it, and what had to change for that."""

    values: dict[str, Value]
    changes: tuple[str, ...]


def enqueue_from(
    study: "optuna.Study", location: "StudyLocation", source: "StudyLocation", space: SearchSpace
) -> list[str]:
    """Have the study try ``source``'s best configurations next; return what was done, in lines.

    Does nothing if it has been done before.

    Raises:
        StudyError: there is no such study, it is this one, or has no complete trial.
    """
    from hpo.study.errors import StudyError
    from hpo.study.trials import configurations_begun

    if (source.name, source.url) == (location.name, location.url):
        raise StudyError(f"--from {source.name}: that is the study itself; name another one")
    fitted, lines = proposals(source, space)
    with location.exclusive():
        known = study.user_attrs.get(_ATTRIBUTE, [])
        if any(entry["study"] == source.name for entry in known):
            return [f"The best of study {source.name} were taken over before."]
        after = [len(space.initial_configurations), configurations_begun(study)]
        after += [entry["first"] + len(entry["values"]) for entry in known]
        entry = {
            "study": source.name,
            "first": max(after),
            "values": [one.values for one in fitted],
        }
        study.set_user_attr(_ATTRIBUTE, [*known, entry])
    return lines


def proposals(source: "StudyLocation", space: SearchSpace) -> tuple[list[Fitted], list[str]]:
    """Return the best configurations of ``source`` fitted to ``space``, and lines that say so.

    Raises:
        StudyError: there is no such study, or it has no complete trial.
    """
    from hpo.study.open import open_finished
    from hpo.study.trials import complete_trials

    other = open_finished(source)
    fixed = _fixed(other.user_attrs.get("definition", {}))
    fitted: list[Fitted] = []
    lines = []
    for trial in complete_trials(other)[:TAKEN]:
        one = fit({**fixed, **trial.params}, space)
        line = f"trial {trial.number} of {source.name} ({trial.value:.1%})"
        if any(one.values == before.values for before in fitted):
            lines.append(f"{line}: left out, the same as one above in this study's space")
            continue
        fitted.append(one)
        lines.append(f"{line}: " + ("; ".join(one.changes) or "taken over as it is"))
    return fitted, lines


def fit(values: Mapping[str, Any], space: SearchSpace) -> Fitted:
    """Return what ``space`` can try of a configuration ``values``.

    A number that is out of range becomes the nearest that is in it. A parameter that is not
    searched is left out. One that has no value here, or none that is allowed, is sampled.
    """
    taken: dict[str, Value] = {}
    changes, sampled = [], []
    for name, specification in space.searched.items():
        if values.get(name) is None:
            sampled.append(name)
            continue
        value = values[name]
        if isinstance(specification, Range):
            near = _nearest(name, value, specification)
            if near != value:
                changes.append(f"{name} {toml(value)} → {toml(near)}")
            taken[name] = near
        elif value in specification:
            taken[name] = value
        else:
            sampled.append(name)
    for name in sorted(values.keys() - taken.keys() - set(sampled)):
        fixed = space.fixed_value(name)
        if fixed is not None and fixed != values[name]:
            changes.append(f"{name} {toml(values[name])} → {toml(fixed)}, fixed here")
    if sampled:
        changes.append(f"sampled: {', '.join(sampled)}")
    return Fitted(taken, tuple(changes))


def initial_configurations(
    study: "optuna.Study", space: SearchSpace
) -> Sequence[Mapping[str, Any]]:
    """Return what each of the study's first configurations is given, in order, {} for nothing."""
    given: list[Mapping[str, Any]] = list(space.initial_configurations)
    for entry in study.user_attrs.get(_ATTRIBUTE, []):
        given += [{}] * (entry["first"] - len(given))
        given += entry["values"]
    return given


def _nearest(name: str, value: float, allowed: Range) -> Value:
    if value in allowed:
        return value
    value = min(max(value, allowed.low), allowed.high)
    if allowed.step:
        value = allowed.low + round((value - allowed.low) / allowed.step) * allowed.step
    return round(value) if catalogue()[name].kind == "int" else float(value)


def _fixed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the other study fixes, the parameters of which it says nothing included."""
    values = {name: parameter.default for name, parameter in catalogue().items()}
    for key, specification in config.items():
        name = key.removeprefix("parameters.")
        if name != key:
            # What is searched stands in its trials, unless it had no place in them.
            values[name] = specification.get("value")
    return {name: value for name, value in values.items() if value is not None}
