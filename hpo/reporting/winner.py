"""The winner's configuration, layer by layer, beside the initial one."""

from collections.abc import Mapping, Sequence
from typing import Any

from hpo.reporting.document import Beside, Block, Fold, Heading, Strong, Table, Text
from hpo.reporting.tables import between, percent
from hpo.results.fits import SavedFit, kind
from hpo.study.files import written_start
from hpo.study.record import candidates
from hpo.study.space.catalogue import Value, catalogue, known_values
from hpo.study.space.domains import Fixed
from hpo.study.space.search_space import SearchSpace
from hpo.study.trials import TrialRecord

_COLUMNS = (
    ("filters or units", ("filters", "units")),
    ("kernel, px", ("kernel_size",)),
    ("learning rate", ("learning_rate",)),
    ("momentum", ("momentum",)),
    ("L2", ("l2",)),
)


def winning_trial(trials: Sequence[TrialRecord], fits: Sequence[SavedFit]) -> TrialRecord | None:
    """Return the trial that the final fit chose; without one the best; None if there is neither."""
    chosen = {fit.metrics.trial for fit in fits if fit.metrics.title == "best"}
    return next((t for t in trials if t.number in chosen), next(iter(candidates(trials)), None))


def initial_trial(
    trials: Sequence[TrialRecord], space: SearchSpace | None, winner: TrialRecord | None = None
) -> TrialRecord | None:
    """Return the trial of an initial configuration, of several the nearest to the winner's.

    The nearest shares the most values with it, of equals it is the first. None if the study has
    none, or has not run it yet.
    """
    starts = space.initial_configurations if space is not None else ()
    run = [trial for trial in trials if trial.params and dict(trial.params) in starts]
    params = winner.params if winner is not None else {}

    def shared(trial: TrialRecord) -> int:
        return sum(params.get(name) == value for name, value in trial.params.items())

    return max(run, key=lambda trial: (shared(trial), -trial.number), default=None)


def winner_section(
    winner: TrialRecord | None, trials: Sequence[TrialRecord], space: SearchSpace | None
) -> list[Block]:
    """Return the section; nothing if there is no winner."""
    if winner is None:
        return []
    start = initial_trial(trials, space, winner) or trials[0]
    said = f"{percent(winner.accuracy or 0.0)} of its validation trials right in the search. "
    if (best := candidates(trials)) and best[0].number != winner.number:
        said += f"The final fit retrained it and chose it over trial {best[0].number}, the best of "
        said += f"the search ({percent(best[0].accuracy or 0.0)}). "
    before = None
    if start.params == winner.params:
        said += f"It is {_named(start, space)}, and no other was chosen over it."
    else:
        before = whole(start.params, space)
        accuracy = f", {percent(start.accuracy)}" if start.accuracy is not None else ""
        said += f"Bold: other than in {_named(start, space)} (trial {start.number}{accuracy}), "
        said += "whose value follows in brackets."
    values = whole(winner.params, space)
    image = [("image, px", str(space.image_size))] if space is not None else []
    net = Table(("net", "value"), [*image, *_settings("net", values, before)])
    recipe = Table(("recipe", "value"), _settings("recipe", values, before))
    if space is not None:
        said += " What is not listed is as in the paper."
    inner, outer = ([table] if table.rows else [] for table in (net, recipe))
    return [
        Heading(2, f"The winner: trial {winner.number}"),
        Text(said),
        Beside([Beside([_layers(values, before), *inner]), *outer]),
    ]


def race_section(fits: Sequence[SavedFit]) -> list[Block]:
    """Return how the final fit chose among the top trials, round by round; nothing if it did not.

    The last round and the chosen trial come first.
    """
    candidates = next((fit.metrics.selection for fit in fits if fit.metrics.selection), [])
    if not candidates:
        return []
    last = max(candidate.later for candidate in candidates) + 1
    rows = [
        (
            str(last - candidate.later),
            Strong(str(candidate.trial)) if place == 0 else str(candidate.trial),
            f"{candidate.pairs_seen:,}" if candidate.pairs_seen else "",
            f"{percent(candidate.mean)} [{between(candidate.low, candidate.high)}]",
            percent(candidate.search_value),
        )
        for place, candidate in enumerate(candidates)
    ]
    caption = "Each was trained anew, and scored on validation trials that nothing had seen. "
    caption += "Intervals are over these alphabets."
    headings = ("round", "trial", "pairs", "one-shot accuracy", "in the search")
    return [Fold("How it was chosen", [Table(headings, rows, caption)])]


def best_start(winner: TrialRecord | None, space: SearchSpace | None, study: str) -> str:
    """Return the winner as a ``[[start]]`` of a study file, fixed values too; empty without one."""
    params = known_values(winner.params) if winner is not None else {}
    if winner is None or not params:
        return ""
    said = f", {percent(winner.accuracy)} in its search" if winner.accuracy is not None else ""
    return written_start(whole(params, space), f"Trial {winner.number} of {study}{said}")


def whole(params: Mapping[str, Any], space: SearchSpace | None) -> dict[str, Value]:
    """Return a configuration's values, those included that the study fixes, in layers' order."""
    known = catalogue()
    fixed = {
        name: specification.value
        for name, specification in (space.specifications if space is not None else {}).items()
        if isinstance(specification, Fixed)
    }
    values = fixed | dict(params)
    depth = int(values.get("net.depth", known["net.depth"].default) or 0)
    return {
        name: values[name] for name in known if name in values and known[name].depth <= depth
    } | {name: value for name, value in values.items() if name not in known}


def _named(trial: TrialRecord, space: SearchSpace | None) -> str:
    origin = kind(trial.params, space)
    if not origin:
        return "the first trial"
    several = origin == "initial" and space is not None and len(space.initial_configurations) > 1
    return f"{'an' if several else 'the'} {origin} configuration"


def _layers(values: Mapping[str, Value], before: Mapping[str, Value] | None) -> Table:
    names = [*catalogue()]
    both = sorted(
        {*values, *(before or {})},
        key=lambda name: names.index(name) if name in names else len(names),
    )
    of_layers = {kind for _, kinds in _COLUMNS for kind in kinds}
    layers = dict.fromkeys(n.partition(".")[0] for n in both if n.partition(".")[2] in of_layers)
    columns = [
        (heading, kinds)
        for heading, kinds in _COLUMNS
        if any(f"{layer}.{kind}" in both for layer in layers for kind in kinds)
    ]
    rows = []
    for layer in layers:
        cells = []
        for _, kinds in columns:
            name = next((n for kind in kinds if (n := f"{layer}.{kind}") in both), "")
            cells.append(_cell(name, values, before) if name else "")
        rows.append((layer, *cells))
    return Table(("layer", *(heading for heading, _ in columns)), rows)


def _settings(
    part: str, values: Mapping[str, Value], before: Mapping[str, Value] | None
) -> list[tuple[str, str]]:
    return [
        (name.removeprefix(f"{part}."), _cell(name, values, before))
        for name in catalogue()
        if name.startswith(f"{part}.") and (name in values or name in (before or {}))
    ]


def _cell(name: str, values: Mapping[str, Value], before: Mapping[str, Value] | None) -> str:
    now = _shown(values.get(name))
    if before is None or values.get(name) == before.get(name):
        return now
    return Strong(now, f"({_shown(before.get(name))})")


def _shown(value: Value | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    if value and abs(value) < 0.001:
        digits, power = f"{value:.1e}".split("e")
        return f"{digits}e{int(power)}"
    return f"{value:.3g}"
