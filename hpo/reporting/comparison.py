"""The section that compares studies, for instance of different samplers or pruners."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from hpo.reporting.document import Block, Heading, PictureFolder, Table, Text
from hpo.reporting.tables import between, percent
from hpo.results.costs import costed_trials
from hpo.results.history import Curve, at, curve
from hpo.results.plots.history import best_so_far
from hpo.study.record import StudyRecord
from hpo.study.samplers.table import PRUNERS
from hpo.terminal.progress import duration
from model.evaluation.intervals import interval

_SAME_SCORE = ("data.dataset", "data.image_size", "data.drawers", "validation.")
"""Config keys, and prefixes of keys, on which comparable scores must agree."""


@dataclass(frozen=True)
class _Entry:
    name: str
    config: Mapping[str, Any]
    curve: Curve | None


def comparison(studies: Sequence[optuna.Study], pictures: PictureFolder) -> list[Block]:
    """Return the section; nothing for a single study."""
    if len(studies) < 2:
        return []
    blocks: list[Block] = [Heading(2, "Study comparison")]
    entries = [_Entry(s.study_name, _config(s), curve(costed_trials(s))) for s in studies]
    if empty := [entry.name for entry in entries if entry.curve is None]:
        blocks.append(Text(f"Left out, as they have no complete trial: {', '.join(empty)}."))
    entries = [entry for entry in entries if entry.curve is not None]
    if len(entries) < 2:
        return [*blocks, Text("Fewer than two studies have results to compare.")]
    if odd := _differences(entries):
        text = f"The scores are not comparable, as these settings differ: {', '.join(odd)}."
        blocks.append(Text(text))
    groups = _groups(entries)
    picture = best_so_far({label: [e.curve for e in g if e.curve] for label, g in groups.items()})
    caption = (
        "Studies that differ only by seed are averaged into one line; the band is their range. "
    )
    caption += "It ends where the shortest of them does."
    title = "Best accuracy so far of each study"
    return [
        *blocks,
        pictures.add(picture, "comparison", title, caption),
        _table(groups, entries[0].config),
    ]


def _config(study: optuna.Study) -> dict[str, Any]:
    """Return the study's config, with its data identified by content, wherever that lies."""
    record = StudyRecord.of(study)
    config = dict(record.config or {})
    if config and record.data:
        config["data.dataset"] = record.data["digest"]
    return config


def _differences(entries: Sequence[_Entry]) -> list[str]:
    keys = {key for entry in entries for key in entry.config if key.startswith(_SAME_SCORE)}
    first = entries[0].config
    return sorted(key for key in keys if any(e.config.get(key) != first.get(key) for e in entries))


def _groups(entries: Sequence[_Entry]) -> dict[str, list[_Entry]]:
    """Group the studies that differ only by seed, by a label."""
    by_key: dict[str, list[_Entry]] = {}
    for entry in entries:
        plain = {k: v for k, v in entry.config.items() if k != "search.seed"}
        key = json.dumps(plain, sort_keys=True) if plain else entry.name
        by_key.setdefault(key, []).append(entry)
    groups = list(by_key.values())
    labels = [_label(group, groups) for group in groups]
    return dict(zip(labels, groups, strict=True))


def _label(group: Sequence[_Entry], groups: Sequence[Sequence[_Entry]]) -> str:
    """Return the studies' names, and where they differ the sampler and pruner."""

    def method(entries: Sequence[_Entry]) -> tuple[Any, ...]:
        config = entries[0].config
        return config.get("search.sampler"), config.get("search.pruner")

    names = ", ".join(entry.name for entry in group[:3]) + ", ..." * (len(group) > 3)
    sampler, pruner = method(group)
    if sampler is None or len({method(entries) for entries in groups}) == 1:
        return names
    # A row that has left the table since is shown by its name.
    prunes = pruner is not None and (pruner not in PRUNERS or PRUNERS[pruner].prunes)
    return f"{names} ({sampler}, {pruner} pruner)" if prunes else f"{names} ({sampler})"


def _table(groups: Mapping[str, Sequence[_Entry]], config: Mapping[str, Any]) -> Table:
    curves = {label: [e.curve for e in group if e.curve] for label, group in groups.items()}
    every = [line for group in curves.values() for line in group]
    trials = config.get("validation.trials")
    measures = [
        ("trials", [line.trials for line in every], "{:,.0f} trials".format),
        ("seconds", [line.seconds for line in every], lambda end: f"{duration(end)} of trials"),
    ]
    if all(line.flops for line in every):
        measures.append(("flops", [line.flops for line in every], "{:.3g} training FLOP".format))
    lines = []
    for name, along, words in measures:
        end = min(points[-1] for points in along)
        for label, group in curves.items():
            values = [at(getattr(line, name), line.best, end) for line in group]
            lines.append((label, words(end), *_summary(values, trials)))
    return Table(
        ("study", "at", "best accuracy", "95 % interval", "trials", "seeds"),
        lines,
        "Mean of the best one-shot validation accuracy at equal trials, time and training FLOP, as "
        "far as every study has run. Intervals over other trials of these alphabets.",
    )


def _summary(values: Sequence[float], trials: Any) -> tuple[str, str, str, str]:
    seeds = str(len(values))
    if any(value != value for value in values):
        return "none yet", "", "", seeds
    if not isinstance(trials, int):
        return percent(sum(values) / len(values)), "unknown", "unknown", seeds
    mean, low, high = interval(values, trials)
    return percent(mean), between(low, high), f"{trials:,}", seeds
