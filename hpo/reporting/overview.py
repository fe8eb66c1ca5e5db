"""The head of a report: which study, how far it is, what came out of it."""

from collections.abc import Sequence
from datetime import datetime

import optuna

from hpo.reporting.document import Block, Command, Heading, Text
from hpo.reporting.tables import between, in_words, percent
from hpo.results.fits import Fit
from hpo.results.trials import TrialRecord, best
from hpo.study.storage.location import StudyLocation
from model.evaluation.intervals import interval


def overview(
    study: optuna.Study,
    rows: list[TrialRecord],
    fits: Sequence[Fit],
    location: StudyLocation,
    now: datetime,
) -> list[Block]:
    """Return the title and the paragraphs under it."""
    attributes = study.user_attrs
    config = attributes.get("definition", {})
    blocks: list[Block] = [Heading(1, f"Study {study.study_name}")]
    if description := attributes.get("description"):
        blocks.append(Text(f"{description}."))
    running = sum(row.state in ("RUNNING", "WAITING") for row in rows)
    finished = sum(row.state in ("COMPLETE", "PRUNED") for row in rows)
    going = f"; {running} running or waiting, so this is not the last word" if running else ""
    blocks.append(Text(f"As of {now:%Y-%m-%d %H:%M} UTC: {finished} finished trials{going}."))
    if basis := _basis(attributes):
        blocks.append(Text(basis))
    for fit in fits:
        if (figure := fit.metrics.find("official_runs")) is not None:
            said = f"On the official 20-way runs, {fit.label}: {in_words(figure)}."
            blocks.append(Text(said))
    if (winner := best(rows)) is not None:
        blocks.append(Text(_found(winner, config.get("validation.trials"))))
    again = f"python -m hpo.report {location.options()}"
    return [*blocks, Text("This report is made again by:"), Command(again)]


def _found(winner: TrialRecord, trials: object) -> str:
    accuracy = winner.accuracy or 0.0
    said = f"The search's best: trial {winner.number}, {percent(accuracy)} on validation alphabets"
    if isinstance(trials, int):
        _, low, high = interval([accuracy], trials)
        said += f" (95 % interval {between(low, high)}; {trials:,} trials, 1 seed)"
    return f"{said}."


def _basis(attributes: dict) -> str:
    config, data = attributes.get("definition", {}), attributes.get("data", {})
    parts = []
    if data:
        parts.append(f"data {data['name']} ({data['digest'][:12]})")
    if config:
        get = config.get
        parts += [
            f"{get('data.image_size')} px",
            f"background {get('data.background')}",
            f"sampler {get('search.sampler')}",
            f"pruner {get('search.pruner')}",
            f"seed {get('search.seed')}",
        ]
    if versions := attributes.get("versions"):
        parts += [f"{name} {versions[name]}" for name in ("torch", "optuna") if name in versions]
        parts.append(f"revision {versions.get('revision', 'unknown')}")
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
