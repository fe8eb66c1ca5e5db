"""The sections on the search: progress, best trials, trial outcomes, importances, costs."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import optuna
from optuna.trial import TrialState

from hpo.reporting.bounds import at_a_bound
from hpo.reporting.document import Block, Fold, Heading, PictureFolder, Table, Text
from hpo.reporting.tables import between, percent
from hpo.results.costs import CostedTrial
from hpo.results.history import curve
from hpo.results.plots import history as plots
from hpo.results.plots import slices
from hpo.results.plots.style import OUTCOMES
from hpo.study.attempts import latest_attempts, outcome, reason
from hpo.study.record import candidates, kinds_in_words, paused_in_words
from hpo.study.space.catalogue import catalogue
from hpo.study.trials import FINISHED, TrialRecord, ranked
from hpo.terminal.progress import duration
from model.evaluation.intervals import interval

_RATES = (("learning_rate",), ("momentum",), ("l2",))
_SHAPES = (("filters", "units"), ("kernel_size",))
_KINDS = {kind for alike in (*_RATES, *_SHAPES) for kind in alike}
_ENOUGH = 10
"""Complete trials below which importances and common bounds of the best mean nothing."""
_PER_PARAMETER = 10
"""Complete trials for each parameter, below which importances are warned of."""
_MOST_IMPORTANT = 20
_AXES = 12
_TOP = 5


def progress(
    study: optuna.Study,
    trials: list[CostedTrial],
    config: Mapping[str, object],
    pictures: PictureFolder,
) -> list[Block]:
    """Return the section on how the best trial was found; nothing if it has no best trial."""
    if curve(trials) is None:
        return []
    return [
        Heading(2, "How it was found"),
        Text(_counts(trials)),
        _best_so_far(study.study_name, trials, _basis(config), pictures),
    ]


def search(
    study: optuna.Study,
    trials: list[CostedTrial],
    config: Mapping[str, object],
    pictures: PictureFolder,
) -> list[Block]:
    """Return the sections on the trials."""
    if not trials:
        return [Text("The study has no trials yet.")]
    scored = [trial for trial in trials if trial.state in FINISHED and trial.accuracy is not None]
    chosen, complete, basis = candidates(trials), ranked(trials), _basis(config)
    outcomes = Fold("Trial outcomes", _outcomes(trials, pictures))
    if not chosen:
        return [Text("No trial is complete yet, so there is no best one."), outcomes]
    best: list[Block] = [_best(chosen, config)]
    if len(chosen) >= _ENOUGH and (narrow := at_a_bound(chosen[:_TOP])):
        best.append(narrow)
    important, importance_blocks = _importances(study, complete, pictures)
    caption = f"Failed trials are left out; pruned and paused ones show their best epoch. {basis}"
    cost = pictures.add(
        plots.cost(scored), "cost", "Accuracy of each trial against its cost", caption
    )
    return [
        Fold("Best trials", best),
        outcomes,
        Fold("Parameter importance", importance_blocks),
        Fold("Accuracy against parameters", _slices(scored, important, basis, pictures)),
        Fold("Accuracy against cost", [cost]),
    ]


def _best(chosen: Sequence[TrialRecord], config: Mapping[str, object]) -> Table:
    trials = config.get("validation.trials")
    basis = _basis({})
    if isinstance(trials, int):
        basis = f"Of {trials:,} trials and 1 seed each; intervals over other trials of these "
        basis += "alphabets."
    lines = []
    for trial in chosen[:_TOP]:
        accuracy = trial.accuracy or 0.0
        over = "unknown"
        if isinstance(trials, int):
            _, low, high = interval([accuracy], trials)
            over = between(low, high)
        parameters = f"{trial.parameters:,}" if trial.parameters is not None else "unknown"
        cells = (percent(accuracy), over, parameters, duration(trial.seconds))
        lines.append((f"trial {trial.number}{paused_in_words(trial)}", *cells))
    way = config.get("validation.way", "N")
    return Table(
        ("configuration", "accuracy", "95 % interval", "parameters", "time"),
        lines,
        f"The top {len(lines)} of {len(chosen)} {kinds_in_words(chosen)} trials by {way}-way "
        f"one-shot accuracy on validation alphabets. {basis} The maximum of many noisy scores is "
        "biased upwards; a final fit is scored on fresh trials.",
    )


def _basis(config: Mapping[str, object]) -> str:
    """Return a sentence on the evidence behind every accuracy of a search."""
    trials = config.get("validation.trials")
    if not isinstance(trials, int):
        return "The number of validation trials is unknown."
    # The interval is widest at an accuracy of one half.
    mean, low, _ = interval([0.5], trials)
    return (
        f"Each accuracy is measured on {trials:,} validation trials with 1 seed: a 95 % interval "
        f"of at most ± {100 * (mean - low):.1f} points over other trials of these alphabets."
    )


def _best_so_far(
    name: str, trials: list[CostedTrial], basis: str, pictures: PictureFolder
) -> Block:
    line = curve(trials)
    assert line is not None
    caption = "Pruned and paused trials show their best epoch. A pruned trial is never the best, a "
    caption += f"paused one only while none is complete. {basis}"
    if not line.flops:
        caption += " FLOP are left out, as they are unknown for some trials."
    picture = plots.best_so_far({name: [line]}, trials)
    return pictures.add(picture, "best-so-far", "Best accuracy so far", caption)


def _counts(trials: Sequence[TrialRecord]) -> str:
    counts = Counter(map(outcome, trials))
    said = ", ".join(f"{counts[word]} {word}" for word in OUTCOMES if counts[word])
    return f"{len(trials)} trial{'s' * (len(trials) != 1)}: {said}."


def _outcomes(trials: list[CostedTrial], pictures: PictureFolder) -> list[Block]:
    blocks: list[Block] = [Text(_counts(trials))]
    if collapsed := [trial for trial in trials if trial.collapsed]:
        said = "Trained until they fell back to chance"
        said += ", and counted with their best epoch before" * collapsed[0].is_complete
        blocks.append(Text(f"{said}: {_named(collapsed)}."))
    if any(trial.started for trial in trials):
        caption = "Left: when each trial ran, without the time in which none did. Right: the last "
        caption += "epoch it completed; a pruned or paused trial was stopped after that epoch."
        picture = plots.outcomes(trials)
        blocks.append(pictures.add(picture, "trials", "Trials by outcome", caption))
    if stopped := [t for t in latest_attempts(trials).values() if t.state == TrialState.PRUNED]:
        blocks.append(_table_of_stopped(stopped))
    if any(trial.state == TrialState.FAIL for trial in trials):
        blocks.append(_table_of_failed(trials))
    return blocks


def _table_of_stopped(stopped: Sequence[TrialRecord]) -> Table:
    groups: dict[tuple[int, str], list[TrialRecord]] = defaultdict(list)
    for trial in stopped:
        groups[trial.epochs, outcome(trial)].append(trial)
    lines = [
        (str(epoch), word, str(len(group)), _numbers(group))
        for (epoch, word), group in sorted(groups.items())
    ]
    said = "Trials stopped by the pruner: pruned ones for good, paused ones may still be promoted."
    return Table(("stopped after epoch", "outcome", "count", "trials"), lines, said)


def _table_of_failed(trials: Sequence[TrialRecord]) -> Table:
    latest = latest_attempts(trials)
    reasons: dict[str, list[TrialRecord]] = defaultdict(list)
    for trial in trials:
        if trial.state == TrialState.FAIL:
            reasons[reason(trial, latest)].append(trial)
    lines = [
        (why, str(len(group)), _numbers(group))
        for why, group in sorted(reasons.items(), key=lambda item: -len(item[1]))
    ]
    return Table(("reason", "count", "trials"), lines, "Failed and interrupted trials.")


def _named(trials: Sequence[TrialRecord]) -> str:
    return f"trial{'s' * (len(trials) != 1)} {_numbers(trials)}"


def _numbers(trials: Sequence[TrialRecord], most: int = 10) -> str:
    shown = ", ".join(str(trial.number) for trial in trials[:most])
    return shown + (f" and {len(trials) - most} more" if len(trials) > most else "")


def _importances(
    study: optuna.Study, complete: Sequence[TrialRecord], pictures: PictureFolder
) -> tuple[list[str], list[Block]]:
    """Return the parameters, the most important first where known, and the blocks on them."""
    known = catalogue()
    order = {name: place for place, name in enumerate(known)}
    names = sorted(
        {name for trial in complete for name in trial.params}, key=lambda n: order.get(n, 0)
    )
    if len(complete) < _ENOUGH:
        text = f"Importances need {_ENOUGH} complete trials; there are {len(complete)} so far."
        return names, [Text(text)]
    with warnings.catch_warnings():
        # About experimental features, and about importances that are all 0, reported below.
        warnings.simplefilter("ignore")
        try:
            values = optuna.importance.get_param_importances(study)
        except (ValueError, RuntimeError):
            values = {}
    if not values or not sum(values.values()) > 0:
        return names, [Text("Importances cannot be estimated from the trials so far.")]
    by_importance = sorted(values, key=lambda name: -values[name])
    caption = (
        f"PED-ANOVA over {len(complete)} complete trials: how much each parameter determines "
        "whether a trial is in the top 10 %."
    )
    if len(by_importance) > _MOST_IMPORTANT:
        caption += f" The top {_MOST_IMPORTANT} of {len(by_importance)}."
    picture = plots.importances({name: values[name] for name in by_importance[:_MOST_IMPORTANT]})
    title = "Parameter importance"
    shown: list[Block] = [pictures.add(picture, "importances", title, caption)]
    needed = _PER_PARAMETER * len(names)
    if len(complete) < needed:
        warning = (
            f"Too few trials to trust these: {len(complete)} complete ones for {len(names)} "
            f"parameters. Rule of thumb: {_PER_PARAMETER} per parameter, {needed:,} here (Loeppky, "
            "Sacks and Welch 2009)."
        )
        shown.insert(0, Text(warning))
    return by_importance, shown


def _slices(
    trials: Sequence[TrialRecord], important: list[str], basis: str, pictures: PictureFolder
) -> list[Block]:
    named = list(dict.fromkeys(name for trial in trials for name in trial.params))
    layers = _layers(named)
    drawn = f"One dot per complete, paused or pruned trial; lighter dots are later. {basis}"
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
            picture = slices.grid(trials, present, columns)
            blocks.append(pictures.add(picture, file, title, drawn))
    of_layers = {f"{layer}.{kind}" for layer in layers for kind in _KINDS}
    if others := [name for name in named if name not in of_layers]:
        picture = slices.one_by_one(trials, others)
        title = "Accuracy against the other parameters"
        blocks.append(pictures.add(picture, "slices-others", title, drawn))
    along = important[:_AXES]
    if len(along) > 1 and len(trials) > 1:
        caption = "One line per trial; each axis spans the searched range on its own scale. "
        caption += basis
        if len(important) > len(along):
            caption += f" The {len(along)} most important of {len(important)} parameters."
        picture = slices.parallel(trials, along)
        title = "Configurations and their accuracy"
        blocks.append(pictures.add(picture, "parallel", title, caption))
    return blocks


def _layers(names: Sequence[str]) -> list[str]:
    order = list(dict.fromkeys(name.partition(".")[0] for name in catalogue()))
    found = {n.partition(".")[0] for n in names if n.partition(".")[2] in _KINDS}
    return sorted(found, key=lambda layer: order.index(layer) if layer in order else len(order))
