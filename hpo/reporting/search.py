"""The section on the search: what it found, when, at what cost, and what became of each trial."""

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence

import optuna

from hpo.reporting.document import Block, Heading, Table, Text
from hpo.reporting.ends import at_an_end
from hpo.reporting.pictures import Pictures
from hpo.reporting.tables import between, percent
from hpo.results.history import curve
from hpo.results.plots import history as plots
from hpo.results.plots import slices
from hpo.results.plots.style import STATE_WORDS
from hpo.results.trials import TrialRecord
from hpo.study.space.catalogue import catalogue
from model.evaluation.intervals import interval

_RATES = (("learning_rate",), ("momentum",), ("l2",))
_SHAPES = (("filters", "units"), ("kernel_size",))
_KINDS = {kind for alike in (*_RATES, *_SHAPES) for kind in alike}
_ENOUGH = 10
"""Complete trials from which importances, or what the best have in common, mean anything."""
_MOST_IMPORTANT = 20
_AXES = 12
_TOP = 5


def search(
    study: optuna.Study, rows: list[TrialRecord], config: Mapping[str, object], pictures: Pictures
) -> list[Block]:
    """Return the section."""
    blocks: list[Block] = [Heading(2, "The search")]
    if not rows:
        return [*blocks, Text("The study has no trials yet.")]
    scored = [r for r in rows if r.state in ("COMPLETE", "PRUNED") and r.accuracy is not None]
    complete = [row for row in rows if row.counts]
    basis = _basis(config)
    if not complete:
        blocks.append(Text("No trial is complete yet, so there is no best one to show."))
    else:
        blocks += [
            _best(complete, config),
            *_best_so_far(study.study_name, rows, basis, pictures),
        ]
        if len(complete) >= _ENOUGH and (narrow := at_an_end(_top(complete))):
            blocks.append(narrow)
    blocks += [Heading(3, "What became of the trials"), *_fates(rows, pictures)]
    if not complete:
        return blocks
    important, importance_blocks = _importances(study, complete, pictures)
    blocks += [Heading(3, "What mattered"), *importance_blocks]
    blocks += _slices(scored, important, basis, pictures)
    caption = f"Left out: trials that failed. Pruned ones stand at their best epoch. {basis}"
    picture = plots.cost(scored)
    return [
        *blocks,
        Heading(3, "Accuracy against cost"),
        pictures.add(picture, "cost", "Accuracy of each trial against what it cost", caption),
    ]


def _top(complete: list[TrialRecord]) -> list[TrialRecord]:
    return sorted(complete, key=lambda row: (-(row.accuracy or 0.0), row.number))[:_TOP]


def _best(complete: list[TrialRecord], config: Mapping[str, object]) -> Table:
    trials = config.get("validation.trials")
    lines = []
    for row in _top(complete):
        accuracy = row.accuracy or 0.0
        rests_on = ("unknown", "unknown")
        if isinstance(trials, int):
            _, low, high = interval([accuracy], trials)
            rests_on = (between(low, high), f"{trials:,}")
        parameters = f"{row.parameters:,}" if row.parameters is not None else "unknown"
        cells = (percent(accuracy), *rests_on, "1", parameters, f"{row.seconds:,.0f}")
        lines.append((f"trial {row.number}", *cells))
    way = config.get("validation.way", "N")
    return Table(
        ("configuration", "accuracy", "95 % interval", "trials", "seeds", "parameters", "seconds"),
        lines,
        f"The best {len(lines)} of {len(complete)} complete trials by {way}-way one-shot accuracy "
        "on validation alphabets. The best of many noisy scores flatters; a final fit does not.",
    )


def _basis(config: Mapping[str, object]) -> str:
    """Say what every accuracy of a search rests on."""
    trials = config.get("validation.trials")
    if not isinstance(trials, int):
        return "What the accuracies rest on is not known."
    # Nowhere is the interval wider than about one half.
    mean, low, _ = interval([0.5], trials)
    return (
        f"Each accuracy: {trials:,} validation trials and 1 seed, a 95 % interval of at most "
        f"± {100 * (mean - low):.1f} points."
    )


def _best_so_far(name: str, rows: list[TrialRecord], basis: str, pictures: Pictures) -> list[Block]:
    line = curve(rows)
    assert line is not None
    caption = f"A pruned trial stands at its best epoch and never counts as the best. {basis}"
    if not line.flops:
        caption += " Operations are left out, for some net's are not known."
    picture = plots.best_so_far({name: [line]}, rows)
    return [pictures.add(picture, "best-so-far", "Best accuracy so far", caption)]


def _fates(rows: list[TrialRecord], pictures: Pictures) -> list[Block]:
    counts = {word: sum(row.state == state for row in rows) for state, word in STATE_WORDS.items()}
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    blocks: list[Block] = [Text(f"{len(rows)} trial{'s' * (len(rows) != 1)}: {said}.")]
    if any(row.started for row in rows):
        caption = "Left: when each trial ran; the clock stands still while none does. Right: the "
        caption += "last epoch it finished, for a pruned trial the one after which it was stopped."
        picture = plots.states(rows)
        blocks.append(
            pictures.add(picture, "trials", "The trials, by what became of them", caption)
        )
    if pruned := [row for row in rows if row.state == "PRUNED"]:
        blocks.append(_table_of_pruned(pruned))
    if failed := [row for row in rows if row.state == "FAIL"]:
        blocks.append(_table_of_failed(failed))
    return blocks


def _table_of_pruned(pruned: Sequence[TrialRecord]) -> Table:
    by_epoch: dict[int, list[TrialRecord]] = defaultdict(list)
    for row in pruned:
        by_epoch[row.epochs].append(row)
    lines = [
        (str(epoch), str(len(group)), _numbers(group)) for epoch, group in sorted(by_epoch.items())
    ]
    return Table(("pruned after epoch", "how many", "trials"), lines, "Trials the pruner stopped.")


def _table_of_failed(failed: Sequence[TrialRecord]) -> Table:
    reasons: dict[str, list[TrialRecord]] = defaultdict(list)
    for row in failed:
        died = f"its process died or was stopped; {'' if row.again else 'not yet '}tried again"
        reasons[row.failure or died].append(row)
    lines = [
        (reason, str(len(group)), _numbers(group))
        for reason, group in sorted(reasons.items(), key=lambda item: -len(item[1]))
    ]
    return Table(("why a trial failed", "how many", "trials"), lines, "Trials that failed.")


def _numbers(rows: Sequence[TrialRecord], most: int = 10) -> str:
    shown = ", ".join(str(row.number) for row in rows[:most])
    return shown + (f" and {len(rows) - most} more" if len(rows) > most else "")


def _importances(
    study: optuna.Study, complete: list[TrialRecord], pictures: Pictures
) -> tuple[list[str], list[Block]]:
    """Return the parameters, the most important first if that can be told, and what says so."""
    known = catalogue()
    order = {name: place for place, name in enumerate(known)}
    names = sorted({name for row in complete for name in row.params}, key=lambda n: order.get(n, 0))
    if len(complete) < _ENOUGH:
        text = f"Importances need {_ENOUGH} complete trials; there are {len(complete)} so far."
        return names, [Text(text)]
    with warnings.catch_warnings():
        # Of experimental features, and of importances that are all 0, which is said below.
        warnings.simplefilter("ignore")
        try:
            values = optuna.importance.get_param_importances(study)
        except (ValueError, RuntimeError):
            values = {}
    if not values or not sum(values.values()) > 0:
        return names, [Text("The trials so far do not tell the parameters' importances.")]
    ranked = sorted(values, key=lambda name: -values[name])
    caption = (
        f"PED-ANOVA over {len(complete)} complete trials: how much a parameter decides whether a "
        "trial is among the best tenth."
    )
    if len(ranked) > _MOST_IMPORTANT:
        caption += f" The {_MOST_IMPORTANT} greatest of {len(ranked)}."
    picture = plots.importances({name: values[name] for name in ranked[:_MOST_IMPORTANT]})
    return ranked, [pictures.add(picture, "importances", "Importance of each parameter", caption)]


def _slices(
    rows: list[TrialRecord], important: list[str], basis: str, pictures: Pictures
) -> list[Block]:
    named = list(dict.fromkeys(name for row in rows for name in row.params))
    layers = _layers(named)
    drawn = f"Each dot is a complete or a pruned trial, the lighter the later. {basis}"
    blocks: list[Block] = []
    for kinds, file, title in (
        (_RATES, "slices-rates", "Accuracy against each layer's rates"),
        (_SHAPES, "slices-shape", "Accuracy against each layer's shape"),
    ):
        present = [
            alike for alike in kinds if any(f"{x}.{k}" in named for x in layers for k in alike)
        ]
        columns = [
            x for x in layers if any(f"{x}.{k}" in named for alike in present for k in alike)
        ]
        if present:
            picture = slices.grid(rows, present, columns)
            blocks.append(pictures.add(picture, file, title, drawn))
    of_layers = {f"{layer}.{kind}" for layer in layers for kind in _KINDS}
    if others := [name for name in named if name not in of_layers]:
        picture = slices.one_by_one(rows, others)
        title = "Accuracy against the other parameters"
        blocks.append(pictures.add(picture, "slices-others", title, drawn))
    along = important[:_AXES]
    if len(along) > 1 and len(rows) > 1:
        caption = "A line for each trial; each axis runs over what was searched, on its own scale. "
        caption += basis
        if len(important) > len(along):
            caption += f" {len(along)} of {len(important)} parameters, the most important ones."
        picture = slices.parallel(rows, along)
        title = "Configurations and their accuracy"
        blocks.append(pictures.add(picture, "parallel", title, caption))
    return blocks


def _layers(names: Sequence[str]) -> list[str]:
    order = list(dict.fromkeys(name.partition(".")[0] for name in catalogue()))
    found = {n.partition(".")[0] for n in names if n.partition(".")[2] in _KINDS}
    return sorted(found, key=lambda layer: order.index(layer) if layer in order else len(order))
