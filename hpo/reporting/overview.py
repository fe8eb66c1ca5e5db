"""The top of a report: the study, its progress and its main results."""

from collections.abc import Sequence
from datetime import datetime

import optuna

from hpo.reporting.document import Block, Command, Heading, Text
from hpo.reporting.tables import between, in_words, percent
from hpo.results.fits import SavedFit
from hpo.study.provenance import is_uncommitted
from hpo.study.record import StudyRecord
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import FINISHED, TrialRecord, ranked
from hpo.terminal.commands import study_command
from model.evaluation.intervals import interval


def overview(
    study: optuna.Study,
    trials: Sequence[TrialRecord],
    fits: Sequence[SavedFit],
    location: StudyLocation,
    now: datetime,
) -> list[Block]:
    """Return the title and the paragraphs below it."""
    record = StudyRecord.of(study)
    blocks: list[Block] = [Heading(1, f"Study {study.study_name}")]
    if record.description:
        blocks.append(Text(f"{record.description}."))
    pending = sum(not trial.state.is_finished() for trial in trials)
    finished = sum(trial.state in FINISHED for trial in trials)
    going = f"; {pending} running or waiting, so these results are preliminary" if pending else ""
    blocks.append(Text(f"As of {now:%Y-%m-%d %H:%M} UTC: {finished} finished trials{going}."))
    if basis := _basis(record):
        blocks.append(Text(basis))
    if uncommitted := _uncommitted(record, fits):
        blocks.append(Text(uncommitted))
    for fit in fits:
        if (figure := fit.metrics.find("official_runs")) is not None:
            said = f"On the official 20-way runs, {fit.label}: {in_words(figure)}."
            blocks.append(Text(said))
    if complete := ranked(trials):
        number = (record.config or {}).get("validation.trials")
        blocks.append(Text(_found(complete[0], number)))
    again = study_command("report", location, anywhere=True)
    return [*blocks, Text("Rebuild with:"), Command(again)]


def _found(winner: TrialRecord, trials: object) -> str:
    accuracy = winner.accuracy or 0.0
    said = f"Best trial in the search: {winner.number}, {percent(accuracy)} on validation alphabets"
    if isinstance(trials, int):
        _, low, high = interval([accuracy], trials)
        said += f" (95 % interval {between(low, high)} over other trials of these alphabets; "
        said += f"{trials:,} trials, 1 seed)"
    return f"{said}."


def _uncommitted(record: StudyRecord, fits: Sequence[SavedFit]) -> str:
    """Return what was made by code that nobody else can have, nothing if all can be made again."""
    made = {"The search": record.versions or {}, **{f.label: f.metrics.versions for f in fits}}
    found = [name for name, known in made.items() if is_uncommitted(known.get("revision", ""))]
    if not found:
        return ""
    return f"From uncommitted code, so that nobody can repeat it: {', '.join(found)}."


def _basis(record: StudyRecord) -> str:
    parts = []
    if record.data:
        parts.append(f"data {record.data['name']} ({record.data['digest'][:12]})")
    if record.config:
        get = record.config.get
        parts += [
            f"{get('data.image_size')} px",
            f"background {get('data.background')}",
            f"sampler {get('search.sampler')}",
            f"pruner {get('search.pruner')}",
            f"seed {get('search.seed')}",
        ]
    if versions := record.versions:
        parts += [f"{name} {versions[name]}" for name in ("torch", "optuna") if name in versions]
        parts.append(f"revision {versions.get('revision', 'unknown')}")
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
