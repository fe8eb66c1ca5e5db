"""What each trial of a study cost, as far as its database alone can tell."""

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import optuna

from hpo.study.attempts import latest_attempts, reason
from hpo.study.config import specified
from hpo.study.errors import ConfigError
from hpo.study.record import StudyRecord
from hpo.study.space.catalogue import catalogue
from hpo.study.space.search_space import SearchSpace, search_space
from hpo.study.trials import TrialRecord, records
from model.training.cost import training_flops_per_pair


@dataclass(frozen=True, kw_only=True)
class CostedTrial(TrialRecord):
    """A trial with the operations of its training.

    Attributes:
        pairs: that it was trained on, as far as no retry counts them.
        flops_per_pair: floating-point operations of training on one pair; None if not known.
        flops: of its whole training.
    """

    pairs: int
    flops_per_pair: int | None
    flops: float | None


def costed_trials(study: optuna.Study) -> list[CostedTrial]:
    """Return every trial of the study, by number."""
    config = StudyRecord.of(study).config or {}
    space = recorded_space(config)
    pairs_per_epoch = int(config.get("budget.pairs_per_epoch", 0))
    return [_costed(record, space, pairs_per_epoch) for record in records(study)]


def in_order_of_ending(trials: list[CostedTrial]) -> list[CostedTrial]:
    """Return the finished and failed trials in the order in which they ended."""
    ended = [trial for trial in trials if trial.ended is not None]
    return sorted(ended, key=lambda trial: (trial.ended, trial.number))


def table(trials: Sequence[CostedTrial], space: SearchSpace | None = None) -> list[dict[str, Any]]:
    """Return a row for each trial, all with the same columns, None where there is no value.

    They are ``number``, ``state`` as Optuna calls it, ``value`` (best one-shot validation accuracy
    of its epochs, in [0, 1]), every searched parameter, ``epochs``, ``pairs`` trained on,
    ``seconds`` and ``tflop`` of its training, and the ``reason`` why it failed or was pruned.
    """
    searched = {name for trial in trials for name in trial.params}
    searched |= set(space.searched if space is not None else ())
    names = [name for name in catalogue() if name in searched]
    names += sorted(searched.difference(names))
    latest = latest_attempts(trials)
    return [
        {
            "number": trial.number,
            "state": trial.state.name,
            "value": trial.accuracy,
            **{name: trial.params.get(name) for name in names},
            "epochs": trial.epochs,
            "pairs": trial.pairs,
            "seconds": round(trial.seconds, 4),
            "tflop": None if trial.flops is None else float(f"{trial.flops / 1e12:.4g}"),
            "reason": reason(trial, latest) or None,
        }
        for trial in trials
    ]


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of the same columns as CSV under their names; empty without a row."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def _costed(record: TrialRecord, space: SearchSpace | None, pairs_per_epoch: int) -> CostedTrial:
    pairs = record.pairs_seen
    if pairs is None:
        # Those of a trial whose process died are counted by its retry, which resumes from them.
        pairs = record.epochs * pairs_per_epoch if record.failure else 0
    # What a promoted trial resumed from is counted by the trial that was paused there.
    before = record.history[
        : min(record.promoted_after_epoch or 0, record.resumed_after_epoch or 0)
    ]
    seconds = max(0.0, record.seconds - sum(result["seconds"] for result in before))
    pairs -= before[-1]["pairs_seen"] if before else 0
    each = None
    if space is not None:
        # Not all values are known where it failed or died while they were being suggested.
        with suppress(ValueError, ConfigError):
            each = training_flops_per_pair(space.hyperparameters(record.params).architecture)
    flops = None if each is None else float(each) * pairs
    known = {**vars(record), "seconds": seconds}
    return CostedTrial(**known, pairs=pairs, flops_per_pair=each, flops=flops)


def recorded_space(config: Mapping[str, Any]) -> SearchSpace | None:
    """Return the search space that the study was created with, None if its database has none.

    Args:
        config: the study's, flat.
    """
    prefix = "parameters."
    raw = {
        name.removeprefix(prefix): specified(specification)
        for name, specification in config.items()
        if name.startswith(prefix)
    }
    starts = sorted((name for name in config if name.startswith("start.")), key=_number)
    try:
        initial = [config[name] for name in starts]
        return search_space(raw, initial, image_size=config["data.image_size"])
    except (ConfigError, KeyError):
        return None


def _number(name: str) -> int:
    return int(name.rpartition(".")[2])
