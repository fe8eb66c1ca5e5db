"""The top of a report: the study, the verdict on it, what to do next; and how it was made."""

from collections.abc import Sequence
from datetime import datetime

import optuna

from hpo.reporting.document import Block, Commands, Heading, Text, Verdict
from hpo.reporting.tables import between, evidence_in_words, in_words, percent
from hpo.results import published
from hpo.results.fits import SavedFit, n_way, with_ensembles
from hpo.results.markdown import code
from hpo.results.metrics import Accuracy
from hpo.study.attempts import finished_of
from hpo.study.provenance import is_uncommitted
from hpo.study.record import StudyRecord, candidates, paused_in_words
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import TrialRecord
from hpo.terminal.commands import study_command
from model.baselines import BASELINES
from model.evaluation.intervals import interval

_RIVALS = ("humans", "Koch's net")
"""The published systems that the verdict names."""


def overview(
    study: optuna.Study,
    trials: Sequence[TrialRecord],
    fits: Sequence[SavedFit],
    location: StudyLocation,
    now: datetime,
) -> list[Block]:
    """Return the title, the study's progress and the verdict."""
    record = StudyRecord.of(study)
    pending = sum(not trial.state.is_finished() for trial in trials)
    finished = finished_of(trials)
    going = f"; {pending} running or waiting, so these results are preliminary" if pending else ""
    said = f"{record.description}. " if record.description else ""
    said += f"As of {now:%Y-%m-%d %H:%M} UTC: {finished} finished trials{going}."
    blocks: list[Block] = [Heading(1, f"Study {study.study_name}"), Text(said)]
    if uncommitted := _uncommitted(record, fits):
        blocks.append(Text(uncommitted))
    return [*blocks, _verdict(record, trials, fits, location)]


def _verdict(
    record: StudyRecord,
    trials: Sequence[TrialRecord],
    fits: Sequence[SavedFit],
    location: StudyLocation,
) -> Verdict:
    tested = [(f, figure) for f in with_ensembles(fits) if (figure := _main(f)) is not None]
    if tested:
        fit, figure = tested[0]
        official = figure.protocol == "official_runs"
        where = "official" if official else "random"
        line = (
            f"{percent(figure.mean)} of the {where} {figure.way}-way one-shot trials right "
            f"[{between(figure.low, figure.high)}]"
        )
        known = published.comparable(fit.metrics.data)
        split = f", by {fit.metrics.validation.title()}'s split" if known else ""
        texts = [
            _against(fit, figure),
            f"{fit.label[:1].upper()}{fit.label[1:]}{split}. 95 % interval over "
            f"{evidence_in_words(figure)}.",
        ]
        texts += [f"{f.label[:1].upper()}{f.label[1:]}: {in_words(a)}." for f, a in tested[1:]]
        return Verdict(line, texts)
    chosen = candidates(trials)
    if not chosen:
        run = study_command("run", location, anywhere=True)
        return Verdict("No trial is complete yet", [f"Run the study with {code(run)}."])
    best = chosen[0]
    accuracy = best.accuracy or 0.0
    asked = (record.config or {}).get("validation.trials")
    line, said = f"{percent(accuracy)} one-shot validation accuracy, not tested yet", ""
    if isinstance(asked, int):
        _, low, high = interval([accuracy], asked)
        line = f"{percent(accuracy)} [{between(low, high)}] one-shot validation accuracy"
        line += ", not tested yet"
        said = "95 % interval over other trials of these alphabets; "
        said += f"{asked:,} trials, 1 seed"
        if len(chosen) > 1:
            said += f"; the best of {len(chosen)}, and so biased upwards"
        said += ". "
    fit_it = study_command("fit", location, anywhere=True)
    return Verdict(
        line,
        [
            f"Best trial in the search: {best.number}{paused_in_words(best)}, on validation "
            f"alphabets. {said}",
            f"Fit and test it with {code(fit_it)}.",
        ],
    )


def _main(fit: SavedFit) -> Accuracy | None:
    """Return the accuracy that a fit is judged by: of the official runs, else of the largest N."""
    official = fit.find("official_runs")
    return official or next(reversed(n_way(fit.metrics, fit.system)), None)


def _against(fit: SavedFit, figure: Accuracy) -> str:
    """Return which systems lie below the accuracy's interval, within it, and above it."""
    rivals = []
    if figure.protocol == "official_runs" and published.comparable(fit.metrics.data):
        known = dict(published.ONE_SHOT)
        rivals = [("people" if n == "humans" else n, known[n] / 100) for n in _RIVALS]
    for name, baseline in BASELINES.items():
        if (found := fit.metrics.find(figure.protocol, name, figure.way)) is not None:
            rivals.append((baseline.title, found.mean))
    groups: dict[str, list[str]] = {"Above": [], "Level with": [], "Below": []}
    for name, accuracy in rivals:
        word = "Above" if accuracy < figure.low else "Below" if accuracy > figure.high else ""
        groups[word or "Level with"].append(f"{name} {percent(accuracy)}")
    said = [f"{word} {_listed(names)}" for word, names in groups.items() if names]
    text = "; ".join([*said[:1], *(part[0].lower() + part[1:] for part in said[1:])])
    return f"{text}." if text else "No other system was tested on these trials."


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def next_steps(
    record: StudyRecord,
    trials: Sequence[TrialRecord],
    fits: Sequence[SavedFit],
    initial: TrialRecord | None,
    location: StudyLocation,
    others: Sequence[StudyLocation] = (),
) -> list[Block]:
    """Return the commands for what the study lacks, and those that every study has.

    Args:
        record: the study's.
        trials: its trials.
        fits: its final fits.
        initial: the trial of the initial configuration, if it has one that ran.
        location: where it is kept.
        others: of the studies that the report compares it with.
    """

    def line(name: str, more: str = "") -> str:
        return study_command(name, location, anywhere=True) + more

    lines = []
    finished, total = finished_of(trials), record.beside.get("search.trials")
    if total is None or finished < total:
        of = f" of {total}" if total is not None else ""
        lines.append((line("run"), f"Resume the search, {finished}{of} trials so far"))
    # A fit on another background set than the study's (`final-<alphabets>`) counts for neither.
    own = [fit for fit in fits if fit.folder.name in ("final", f"final-trial-{fit.metrics.trial}")]
    if candidates(trials) and not any(fit.folder.name == "final" for fit in own):
        lines.append((line("fit"), "Retrain the best at full length, and test the winner"))
    if initial is not None and not any(fit.metrics.trial == initial.number for fit in own):
        number = f" --trial {initial.number}"
        lines.append(
            (
                line("fit", number),
                f"Fit trial {initial.number}, the initial configuration, for comparison",
            )
        )
    lines.append((line("dashboard"), "Browse the trials"))
    compared = "".join(f" --compare {other.name}" for other in others)
    lines.append((line("report", compared), "Rebuild this report"))
    return [Heading(2, "What next"), Commands(lines)]


def provenance(study: optuna.Study) -> list[Block]:
    """Return what the study was made from and with."""
    record = StudyRecord.of(study)
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
    return [Text(f"{text[:1].upper()}{text[1:]}.")] if text else []


def _uncommitted(record: StudyRecord, fits: Sequence[SavedFit]) -> str:
    """Return what was made by code that nobody else can have, nothing if all can be made again."""
    made = {"The search": record.versions or {}, **{f.label: f.metrics.versions for f in fits}}
    found = [name for name, known in made.items() if is_uncommitted(known.get("revision", ""))]
    if not found:
        return ""
    return f"From uncommitted code, so that nobody can repeat it: {', '.join(found)}."
