"""The dashboard's notes on a study and on each of its trials, in Markdown."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from math import sqrt
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from hpo.results.markdown import fenced, plain
from hpo.study.config import StudyConfig
from hpo.study.errors import ConfigError
from hpo.study.open import METRIC
from hpo.study.run import StudyRun
from hpo.study.trials import TrialRecord
from hpo.terminal.commands import study_command
from hpo.terminal.progress import duration, interrupted
from model.hyperparameters import Architecture, Hyperparameters, Recipe
from model.training.cost import training_flops_per_pair
from model.training.trainer import EpochResult

_STANDARD_ERRORS = 2
"""A score within this many of chance is no better than guessing."""
_WIDE_SPACE = "\u2003"
_PAGE_WIDTH = 90
"""Characters of code in a line that fits the dashboard's page of a trial, 1280 pixels wide."""


def study_note(run: StudyRun, data: Mapping[str, str]) -> str:
    """Return the study's description, settings, commands and search space.

    ``data`` holds ``name`` and ``digest`` of its data set.
    """
    config, location = run.config, run.location
    budget, asked, search = config.budget, config.validation, config.search
    within = f", at most {duration(budget.seconds)}" if budget.seconds else ""
    facts = {
        "data": f"{plain(data['name'])} ({data['digest'][:12]}), "
        f"background {config.data.background}, {config.data.image_size} px, "
        f"drawers: {config.data.drawers}",
        "objective value": f"{METRIC}, best epoch: {asked.trials:,} trials, {asked.way}-way, "
        f"{asked.variant.replace('_', ' ')}; chance is {1 / asked.way:.1%}",
        "budget": f"at most {budget.epochs} epochs of {budget.pairs_per_epoch:,} pairs{within} per "
        f"trial; early stopping after {budget.patience} without improvement",
        "trials": f"{search.trials} in all",
        "search": f"sampler {search.sampler}, pruner {search.pruner}, {search.startup} start-up "
        f"trials, {len(config.start)} initial configurations, seed {search.seed}",
    }
    searched = config.space().searched.items()
    # By its name alone, since its database knows how the study was begun.
    resume, fit, report = (
        study_command(name, location, run.data_root, anywhere=True)
        for name in ("run", "fit", "report")
    )
    return _paragraphs(
        f"# {config.name}",
        plain(config.description),
        _table(("setting", "value"), facts.items()),
        "## Commands",
        "Rerun the first to resume the study; with another `--out` it starts from scratch.",
        fenced(f"{resume} --trials {search.trials}", fit, report),
        "## Search space",
        _table(("parameter", "values"), ((f"`{n}`", str(s)) for n, s in searched)),
    )


def trial_note(
    number: int,
    hyperparameters: Hyperparameters,
    history: Sequence[EpochResult],
    config: StudyConfig,
    *,
    state: TrialState,
    others: Iterable[FrozenTrial] = (),
    retry_of: int | None = None,
) -> str:
    """Return a trial's verdict, layers and operations; the dashboard shows its attributes itself.

    Running, it may have no epoch yet. It is ranked among ``others``, the study's complete trials.
    """
    running = state == TrialState.RUNNING
    best = max((result.one_shot_accuracy for result in history), default=None)
    title = "" if best is None else f": {best:.1%}{' so far' if running else ''}"
    flops = training_flops_per_pair(hyperparameters.architecture)
    seen = history[-1].pairs_seen if history else 0
    return _paragraphs(
        f"# Trial {number}{title}",
        verdict(history, config, state=state, others=others),
        *([] if retry_of is None else [f"A retry of {_link(retry_of)}."]),
        *_net(hyperparameters),
        f"Training: {_flop(flops)} per pair, {_flop(flops * seen)} "
        f"{'so far' if running else 'in total'}.",
    )


def failed_note(trial: TrialRecord, trials: Sequence[TrialRecord], config: StudyConfig) -> str:
    """Return why a trial failed, and which of all ``trials`` retries it."""
    if trial.failure is not None:
        # As it is, but no line longer than the page is wide.
        lines = textwrap.wrap(trial.failure, _PAGE_WIDTH) or ["no reason given"]
        title, said = "failed", [fenced(*lines), "Its configuration is not tried again."]
    else:
        cause = "was stopped" if trial.stopped else "died"
        how = interrupted(trial, trials).capitalize()
        how = re.sub(r"trial (\d+)", lambda found: _link(int(found[1])), how)
        title, said = "interrupted", [f"{how}. Its process {cause}."]
    if trial.accuracy is not None:
        said.append(f"It reached epoch {trial.epochs}, and {trial.accuracy:.1%} at best.")
    try:
        net = _net(config.space().hyperparameters(trial.params))
    except ConfigError:  # not all of its values had been suggested
        net = []
    return _paragraphs(f"# Trial {trial.number}: {title}", *said, *net)


def verdict(
    history: Sequence[EpochResult],
    config: StudyConfig,
    *,
    state: TrialState,
    others: Iterable[FrozenTrial] = (),
) -> str:
    """Return the outcome of a trial, or how it stands, in a few sentences."""
    if not history:
        return "**Running**: in its first epoch."
    best, last = max(history, key=lambda result: result.one_shot_accuracy), history[-1]
    asked = config.validation
    chance = 1 / asked.way
    noise = _STANDARD_ERRORS * sqrt(chance * (1 - chance) / asked.trials)
    said = []
    if state == TrialState.RUNNING:
        said.append(
            f"**Running**: epoch {last.epoch} of at most {config.budget.epochs}, "
            f"best at epoch {best.epoch}."
        )
    elif last.diverged:
        said.append(f"**Diverged** in epoch {last.epoch}: learning rates or momenta too high.")
    elif last.collapsed:
        counts = f"It counts with its best epoch, {best.epoch}."
        counts = "It goes no further." if state == TrialState.PRUNED else counts
        said.append(f"**Collapsed**: back at chance in epoch {last.epoch}. {counts}")
    elif state == TrialState.PRUNED:
        if last.epoch in config.rungs():
            said.append(
                f"**Paused** at the rung of epoch {last.epoch}; it goes on, as another trial, once "
                "it is among the best third there and not behind the best of the rung before."
            )
        else:
            said.append(f"**Pruned** after epoch {last.epoch}, behind earlier trials.")
    elif best.one_shot_accuracy <= chance + noise:
        said.append(f"**No better than chance**, {chance:.1%}.")
    elif best is last:
        said.append(f"**Still improving** in its last epoch, {last.epoch}.")
    else:
        said.append(f"**Best at epoch {best.epoch}** of {last.epoch}.")
    said.append(
        f"{best.one_shot_accuracy:.1%} on {asked.trials:,} {asked.way}-way one-shot trials, "
        f"{best.verification_accuracy:.1%} on verification pairs."
    )
    values = [trial.value for trial in others if trial.value is not None]
    if values and state == TrialState.COMPLETE:
        ahead = sum(value > best.one_shot_accuracy for value in values)
        said.append(f"Rank {ahead + 1} of {len(values) + 1} complete trials when it ended.")
    return " ".join(said)


def _net(hyperparameters: Hyperparameters) -> list[str]:
    return ["## Layers", _layers(hyperparameters), _rest(hyperparameters)]


def _link(number: int) -> str:
    """Return a trial's name as a link from any trial's page to its own."""
    return f"[trial {number}](?numbers={number})"


def _layers(hyperparameters: Hyperparameters) -> str:
    net = hyperparameters.architecture
    shapes: dict[str, tuple[str, str, int]] = {}
    channels, side = 1, net.image_size
    for i, (filters, kernel, (before, after)) in enumerate(
        zip(net.filters, net.kernel_sizes, net.map_sizes(), strict=True)
    ):
        pooled = i < net.poolings
        shapes[f"conv{i + 1}"] = (
            f"{filters} @ {kernel}x{kernel}" + (", pooled" if pooled else ""),
            f"{before}" + (f" → {after}" if pooled else ""),
            filters * (channels * kernel**2 + 1 + 2 * (net.normalisation == "batch")),
        )
        channels, side = filters, after
    shapes["fc"] = (f"{net.units} units", "1", (channels * side**2 + 1) * net.units)
    shapes["output"] = (net.head.replace("_", " "), "1", net.units + 1)
    rows = (
        (
            name,
            *(shape, map_side, f"{count:,}"),
            *(f"{value:.3g}" for value in vars(hyperparameters.rates[name]).values()),
        )
        for name, (shape, map_side, count) in shapes.items()
    )
    headings = ("layer", "shape", "map, px", "parameters", "learning rate", "momentum", "L2")
    return _table(headings, rows, numbers=5)


def _rest(hyperparameters: Hyperparameters) -> str:
    """Return how the net and its training differ from the paper's."""
    shown = {"image_size", "filters", "kernel_sizes", "units", "poolings"}
    changed = [
        f"{entry.name.replace('_', ' ')} {getattr(value, entry.name)}"
        for value, default in (
            (hyperparameters.architecture, Architecture()),
            (hyperparameters.recipe, Recipe()),
        )
        for entry in fields(value)
        if entry.name not in shown and getattr(value, entry.name) != getattr(default, entry.name)
    ]
    return (
        "Unlike the paper: " + ", ".join(changed) + "." if changed else "Otherwise as in the paper."
    )


def _flop(number: float) -> str:
    for size, name in ((1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return f"{number / 1e6:.3g} MFLOP"


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(texts) + "\n"


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: int = 0) -> str:
    """Return a table whose last columns, so many, are ``numbers``."""
    marks = [":--"] * (len(headings) - numbers) + ["--:"] * numbers
    # The dashboard leaves no room between two columns.
    spaced = (f"{_WIDE_SPACE} | ".join(map(str, line)) for line in (headings, *rows))
    lines = [next(spaced), " | ".join(marks), *spaced]
    return "\n".join(f"| {line} |" for line in lines)
