"""A study's trials as a report needs them: one row each, with what it cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from hpo.study.errors import ConfigError
from hpo.study.space.search_space import SearchSpace, search_space
from hpo.study.trials import root
from model.training.cost import training_flops_per_pair


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: the trial's.
        state: its state's name, ``COMPLETE``, ``PRUNED``, ``FAIL``, ``RUNNING`` or ``WAITING``.
        accuracy: best one-shot validation accuracy of its epochs so far, in [0, 1], if any.
        counts: whether the study's best is chosen among trials like this one, the complete ones.
        params: what was suggested.
        distributions: from what.
        started: when, if it did.
        ended: when, if it did.
        epochs: how many it trained.
        seconds: of training and validation.
        pairs: seen in training.
        parameters: of its net, if it came so far as to be drawn.
        flops_per_pair: of its net in training, if known.
        failure: why it failed; None if it did not, or if its process died.
        again: whether its configuration was tried in another trial after it.
    """

    number: int
    state: str
    accuracy: float | None
    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]
    started: datetime | None
    ended: datetime | None
    epochs: int
    seconds: float
    pairs: int
    parameters: int | None
    flops_per_pair: int | None
    failure: str | None
    again: bool

    @property
    def counts(self) -> bool:
        """Whether the study's best is chosen among trials like this one."""
        return self.state == "COMPLETE" and self.accuracy is not None

    @property
    def flops(self) -> float | None:
        """Floating-point operations of its whole training."""
        return None if self.flops_per_pair is None else float(self.flops_per_pair) * self.pairs


def rows(study: optuna.Study) -> list[TrialRecord]:
    """Return every trial of the study, by number."""
    config = study.user_attrs.get("definition", {})
    space = _space(config)
    pairs_per_epoch = int(config.get("budget.pairs_per_epoch", 0))
    trials = study.get_trials(deepcopy=False)
    latest = {root(trial): trial.number for trial in trials}
    made = [_record_of(trial, space, pairs_per_epoch) for trial in trials]
    return [
        replace(row, again=latest[root(trial)] != trial.number)
        for row, trial in zip(made, trials, strict=True)
    ]


def in_order_of_ending(trials: list[TrialRecord]) -> list[TrialRecord]:
    """Return the finished and failed trials in the order in which they ended."""
    ended = [row for row in trials if row.ended is not None]
    return sorted(ended, key=lambda row: (row.ended, row.number))


def best(trials: list[TrialRecord]) -> TrialRecord | None:
    """Return the complete trial of the highest accuracy, the first of equals."""
    complete = [row for row in trials if row.counts]
    return max(complete, key=lambda row: (row.accuracy or 0.0, -row.number), default=None)


def _record_of(trial: FrozenTrial, space: SearchSpace | None, pairs_per_epoch: int) -> TrialRecord:
    attributes = trial.user_attrs
    reported = [v for v in trial.intermediate_values.values() if math.isfinite(v)]
    complete = trial.state == TrialState.COMPLETE
    epochs = max(trial.intermediate_values, default=0)
    failure = attributes.get("failure")
    return TrialRecord(
        number=trial.number,
        state=trial.state.name,
        accuracy=trial.value if complete else max(reported, default=None),
        params=trial.params,
        distributions=trial.distributions,
        started=trial.datetime_start,
        ended=trial.datetime_complete,
        epochs=epochs,
        seconds=attributes.get("seconds", _lasted(trial) if failure else 0.0),
        pairs=attributes.get("pairs_seen", epochs * pairs_per_epoch if failure else 0),
        parameters=attributes.get("parameters"),
        flops_per_pair=_flops_per_pair(trial, space),
        failure=failure,
        again=False,
    )


def _lasted(trial: FrozenTrial) -> float:
    # A trial whose process died counts nothing: the one that goes on from its checkpoint has all.
    return trial.duration.total_seconds() if trial.duration else 0.0


def _space(config: Mapping[str, Any]) -> SearchSpace | None:
    """Return the search space that the study's database says, None if it says none."""
    prefix = "parameters."
    raw = {
        name.removeprefix(prefix): _as_in_a_file(specification)
        for name, specification in config.items()
        if name.startswith(prefix)
    }
    try:
        return search_space(raw, image_size=config["data.image_size"])
    except (ConfigError, KeyError):
        return None


def _as_in_a_file(specification: Mapping[str, Any]) -> Any:
    if "value" in specification:
        return specification["value"]
    return {"choices" if key == "options" else key: v for key, v in specification.items()}


def _flops_per_pair(trial: FrozenTrial, space: SearchSpace | None) -> int | None:
    if space is None:
        return None
    try:
        return training_flops_per_pair(space.hyperparameters(trial.params).architecture)
    except (ValueError, ConfigError):
        # Its process died, or it failed, while its configuration was being drawn.
        return None
