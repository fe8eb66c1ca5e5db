"""Starting from another study's best, or a file's starts: ``--from STUDY|FILE.toml``.

The configurations are written into the study once, as those of trials to come, so that every
worker, here or elsewhere, finds them, and each is tried exactly once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from hpo.study.attempts import configurations_begun
from hpo.study.errors import StudyError
from hpo.study.files import starts
from hpo.study.open import open_finished
from hpo.study.record import StudyRecord, best_trials, record_study
from hpo.study.run import StudyRun
from hpo.study.space.catalogue import Value, catalogue, known_values, toml
from hpo.study.space.domains import Range
from hpo.study.space.search_space import SearchSpace
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import TrialRecord

TAKEN = 5
"""How many of the source study's best configurations are tried."""

Source = StudyLocation | Path
"""A study, or a file that `starts` reads."""


@dataclass(frozen=True)
class Fitted:
    """A configuration fitted to another search space, and what changed for that."""

    values: dict[str, Value]
    changes: tuple[str, ...]


def enqueue_from(study: optuna.Study, run: StudyRun, source: Source) -> list[str]:
    """Enqueue ``source``'s configurations in the study; return what was done, in lines.

    Does nothing if it has been done before; a file that says something else now is another one.

    Raises:
        StudyError: there is no such study, it is this one, or it has no complete trial; or the file
            is wrong.
    """
    location, space = run.location, run.config.space()
    if isinstance(source, StudyLocation) and (source.name, source.url) == (
        location.name,
        location.url,
    ):
        raise StudyError(f"--from {source.name}: that is the study itself; name another one")
    fitted, lines = proposals(source, space)
    values = [one.values for one in fitted]
    with location.exclusive():
        known = StudyRecord.of(study).enqueued
        before = [entry["values"] for entry in known if entry["study"] == source.name]
        if before and isinstance(source, StudyLocation):
            return [f"The best trials of study {source.name} were enqueued before."]
        if values in before:
            return [f"The starts of {source.name} were enqueued before."]
        after = [len(space.initial_configurations), configurations_begun(study)]
        after += [entry["first"] + len(entry["values"]) for entry in known]
        entry = {
            "study": source.name,
            "first": max(after),
            "values": values,
        }
        record_study(study, enqueued=[*known, entry])
    return lines


def proposals(source: Source, space: SearchSpace) -> tuple[list[Fitted], list[str]]:
    """Return the configurations of ``source`` fitted to ``space``, and a line on each.

    Raises:
        StudyError: there is no such study, or it has no complete trial; or the file is wrong.
    """
    fitted: list[Fitted] = []
    lines = []
    for line, values in _configurations(source):
        one = fit(values, space)
        if any(one.values == before.values for before in fitted):
            lines.append(f"{line}: skipped, a duplicate in this study's space")
            continue
        fitted.append(one)
        lines.append(f"{line}: " + ("; ".join(one.changes) or "enqueued unchanged"))
    return fitted, lines


def fit(values: Mapping[str, Any], space: SearchSpace) -> Fitted:
    """Return the configuration ``values`` fitted to ``space``.

    A number out of range becomes the nearest in it. A parameter that is not searched is left out.
    One without an allowed value is sampled.
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


def _configurations(source: Source) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the configurations of ``source``, whole, each after what it is called."""
    if isinstance(source, Path):
        for i, values in enumerate(starts(source)):
            yield f"start {i} of {source.name}", values
        return
    other = open_finished(source)
    fixed = _fixed(StudyRecord.of(other).config or {})
    for trial in best_trials(other)[:TAKEN]:
        label = f"trial {trial.number} of {source.name} ({TrialRecord.of(trial).accuracy:.1%})"
        yield label, {**fixed, **known_values(trial.params)}


def initial_configurations(study: optuna.Study, space: SearchSpace) -> Sequence[Mapping[str, Any]]:
    """Return the values that the study's first configurations start from, in order, {} for none."""
    given: list[Mapping[str, Any]] = list(space.initial_configurations)
    for entry in StudyRecord.of(study).enqueued:
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
    """Return the values that the source study fixes, defaults included."""
    values = {name: parameter.default for name, parameter in catalogue().items()}
    for key, specification in config.items():
        name = key.removeprefix("parameters.")
        if name != key:
            # What is searched is in its trials, unless its condition was not met.
            values[name] = specification.get("value")
    return {name: value for name, value in values.items() if value is not None}
