"""The ranges that were searched: too narrow where the best lie at a bound, else too wide."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution

from data.sources.table import is_folder
from hpo.reporting.document import Table
from hpo.study.config import FOLDER, StudyConfig, of_identity, validated
from hpo.study.errors import ConfigError
from hpo.study.files import written_start
from hpo.study.record import StudyRecord, candidates
from hpo.study.space.catalogue import catalogue, toml
from hpo.study.space.domains import Choices, Fixed, Range, known_names
from hpo.study.trials import TrialRecord

_NEAR = 0.02
"""Fraction of a range, on its own scale, that counts as its bound."""
_TENTH = 0.1
"""The share of the trials whose values a narrowed study keeps, and of a range on either side."""
_FEWEST_TRIALS = 5
_FEWEST = 3
"""Integers in a range below which every value is nearly a bound."""


def at_a_bound(top: Sequence[TrialRecord]) -> Table | None:
    """Return a table of the parameters with all ``top`` trials at the same bound, None if empty.

    A bound that is the limit of what any study may search is left out: no wider range could help.
    """
    lines = []
    for name in [n for n in catalogue() if all(n in row.params for row in top)]:
        for end in ("low", "high"):
            if all(_lies_at(row, name, end) for row in top):
                searched = top[0].distributions[name]
                assert isinstance(searched, FloatDistribution | IntDistribution)
                values = [row.params[name] for row in top]
                shown = " to ".join(dict.fromkeys(f"{v:g}" for v in (min(values), max(values))))
                lines.append(
                    (
                        name,
                        f"{searched.low:g} to {searched.high:g}",
                        "lower" if end == "low" else "upper",
                        shown,
                    )
                )
    if not lines:
        return None
    return Table(
        ("parameter", "range", "bound", "values"),
        lines,
        f"Parameters for which the top {len(top)} trials all lie at the same bound of the searched "
        "range. A wider range may hold better values, or short trials favour fast starters.",
    )


def _lies_at(row: TrialRecord, name: str, end: str) -> bool:
    searched = row.distributions[name]
    if not isinstance(searched, FloatDistribution | IntDistribution):
        return False
    low, high, value = searched.low, searched.high, row.params[name]
    if isinstance(searched, IntDistribution) and (high - low) // searched.step + 1 < _FEWEST:
        return False
    if low == high or getattr(searched, end) == getattr(catalogue()[name], end):
        return False
    if searched.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    share = (value - low) / (high - low)
    return (share if end == "low" else 1 - share) <= _NEAR


def narrowed(trials: Sequence[TrialRecord], record: StudyRecord, study: str) -> str:
    """Return a study file of the ranges that the best tenth of the trials lie in.

    A range keeps their values and a tenth of its width on either side, on its own scale; of choices
    those that one of them has stay. Its one start is the best. Empty if fewer than five trials came
    to their end, if that leaves nothing to search, or if no study file can name the images.
    """
    if record.config is None:
        return ""
    try:
        config = of_identity(study, record.config, record.beside, record.description)
    except ConfigError:
        return ""  # of another version
    known = [trial for trial in candidates(trials) if _may_try(config, trial)]
    top = known[: max(_FEWEST_TRIALS, math.ceil(_TENTH * len(trials)))]
    if len(top) < _FEWEST_TRIALS:
        return ""
    if is_folder(dataset := record.config.get("data.dataset", "auto")):
        path = (record.data or {}).get("path", dataset)
        if path == FOLDER:
            return ""  # its bytes are no text
        config = config.changed(dataset=path)
    parameters = _left(config, top)
    raw = config.model_dump(exclude_none=True, exclude={"parameters", "start"})
    said = f"{study} narrowed to the ranges of the best {len(top)} of its {len(trials)} trials"
    raw |= {"description": said, "parameters": parameters}
    space = config.space()
    start = {
        name: _plain(space.searched[name], value)
        for name, value in top[0].params.items()
        if isinstance(parameters.get(name), Mapping)
    }
    try:
        if not validated({**raw, "start": [start]}).space().searched:
            return ""
    except ConfigError:
        return ""  # it allows a net that cannot be built, as the ranges of the whole do not
    del raw["name"]
    return _written(raw) + "\n" + written_start(start, f"Trial {top[0].number} of {study}")


def _may_try(config: StudyConfig, trial: TrialRecord) -> bool:
    """Return whether the study may try what the trial has, which other programs may have added."""
    try:
        config.space().used(trial.params)
    except ConfigError:
        return False
    return True


def _left(config: StudyConfig, top: Sequence[TrialRecord]) -> dict[str, Any]:
    """Return the ``[parameters]`` of what ``top`` leaves of the study's."""
    left: dict[str, Any] = {}
    for name, searched in config.space().specifications.items():
        values = [trial.params[name] for trial in top if name in trial.params]
        if isinstance(searched, Fixed):
            left[name] = searched.value
        else:
            left[name] = _narrower(searched, values) if values else config.parameters[name]
    known = known_names(left)
    for name in [name for name in known if isinstance(left.get(name), dict)]:
        for parent, wanted in left[name].get("when", {}).items():
            value = left.get(parent) if parent in known else None
            value = catalogue()[parent].default if value is None else value
            if not isinstance(value, dict) and value not in wanted:
                del left[name]  # it would never be searched
                break
    return {name: left[name] for name in known if name in left}


def _narrower(searched: Range | Choices, values: Sequence[Any]) -> Any:
    """Return what a study file says of the parameter; one value if one is left and none depends."""
    when = {"when": dict(searched.when)} if searched.when else {}
    if isinstance(searched, Choices):
        options = [option for option in searched.options if option in values]
        if len(options) == 1 and not when:
            return options[0]
        # What its parent rules out elsewhere cannot be a fixed value.
        return {"choices": options if len(options) > 1 else [*searched.options], **when}
    whole = isinstance(searched.low, int)
    step = searched.step or (1 if whole and not searched.log else 0)
    if step:
        # Counted from the range's own end, so that its values stay what they were.
        most = round((searched.high - searched.low) / step)
        steps = [round((value - searched.low) / step) for value in (min(values), max(values))]
        steps = [
            max(0, steps[0] - round(_TENTH * most)),
            min(most, steps[1] + round(_TENTH * most)),
        ]
        if steps[0] == steps[1]:
            if not when:
                return values[0]
            steps = [0, most]
        low, high = (_plain(searched, searched.low + n * step) for n in steps)
        return {"low": low, "high": high, "step": searched.step, **when}
    to, back = (math.log, math.exp) if searched.log else (float, float)
    wider = _TENTH * (to(searched.high) - to(searched.low))
    low = max(searched.low, min(_short(back(to(min(values)) - wider)), *values))
    high = min(searched.high, max(_short(back(to(max(values)) + wider)), *values))
    if whole:
        low, high = math.floor(low), math.ceil(high)
    if low == high:
        low, high = searched.low, searched.high
    return {"low": low, "high": high, "log": searched.log, **when}


def _plain(searched: Range | Choices, value: Any) -> Any:
    """Return a value of a range in steps as a person would write it: 0.3, not 0.1 + 0.2."""
    if not isinstance(searched, Range) or not isinstance(searched.step, float):
        return value
    low, step = Decimal(str(searched.low)), Decimal(str(searched.step))
    return min(float(low + step * round((value - searched.low) / searched.step)), searched.high)


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _written(raw: Mapping[str, Any]) -> str:
    sections = [f"description = {toml(raw['description'])}"]
    for section, keys in raw.items():
        if isinstance(keys, Mapping) and keys:
            quoted = section == "parameters"
            lines = [f"{toml(k) if quoted else k} = {_inline(v)}" for k, v in keys.items()]
            sections.append("\n".join([f"[{section}]", *lines]))
    return "\n\n".join(sections) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        said = {k: v for k, v in value.items() if v is not None and v is not False}
        return f"{{ {', '.join(f'{_key(k)} = {_inline(v)}' for k, v in said.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    return toml(value)


def _key(name: str) -> str:
    return toml(name) if "." in name else name
