"""The final fits in a study's folder."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpo.results.metrics import METRICS, NET, Accuracy, Metrics, load_metrics
from hpo.results.published import comparable
from hpo.study.errors import ConfigError, StudyError
from hpo.study.space.search_space import SearchSpace
from hpo.study.storage.location import StudyLocation

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SavedFit:
    """A final fit, and its label in tables and plots; in its folder are its net and its gallery."""

    label: str
    folder: Path
    metrics: Metrics

    @property
    def small(self) -> bool:
        """Whether it was trained on one of the small background sets, of five alphabets."""
        data = self.metrics.data
        return comparable(data) and data["name"].startswith("omniglot-small")


def find_fits(location: StudyLocation, space: SearchSpace | None = None) -> list[SavedFit]:
    """Return the study's final fits, the best configuration's first; damaged ones are logged.

    Args:
        location: the study's.
        space: its search space; without it no fit is named as the paper's or an initial one.
    """
    folders = [location.folder / "final", *sorted(location.folder.glob("final-*"))]
    found: dict[tuple[int, str], SavedFit] = {}
    for folder in folders:
        if not (folder / METRICS).is_file():
            continue
        try:
            metrics = load_metrics(folder)
        except StudyError as error:
            _log.warning("%s", error)
            continue
        key = metrics.trial, metrics.data["name"]
        if key not in found:
            found[key] = SavedFit(label(metrics, space), folder, metrics)
    return list(found.values())


def kind(params: Mapping[str, Any], space: SearchSpace | None) -> str:
    """Return ``paper's`` or ``initial`` for a configuration that is that, nothing for any other.

    The paper's is what equals the paper's own net and recipe, whichever trial has it; the paper
    gives no rates, so that these do not count.
    """
    if space is None:
        return ""
    try:
        if space.hyperparameters(params).is_papers:
            return "paper's"
    except (ConfigError, ValueError):
        return ""
    return "initial" if dict(params) in space.initial_configurations else ""


def label(metrics: Metrics, space: SearchSpace | None = None) -> str:
    """Return the name of a fit in tables and plots; see `find_fits`."""
    names = {
        (True, "paper's"): "best and the paper's",
        (True, "initial"): "best and initial",
        (True, ""): "best",
    }
    origin = kind(metrics.parameters, space)
    name = names.get((metrics.title == "best", origin), origin or "another")
    background = metrics.data["name"].partition("omniglot-")[2] * comparable(metrics.data)
    notes = [f"trial {metrics.trial}"]
    if background:
        notes.append(f"trained on {background}")
    # Beside every mean that is shown of it.
    if metrics.collapses:
        notes.append(metrics.collapses)
    return f"ours, {name} configuration ({', '.join(notes)})"


def of_alphabets(metrics: Metrics, way: int, system: str = NET) -> list[Accuracy]:
    """Return a system's N-way accuracies: over all test alphabets, then of each, if known."""
    names: list[str | None] = [None, *metrics.alphabets()]
    figures = (metrics.find("n_way", system, way, name) for name in names)
    return [figure for figure in figures if figure is not None]


def n_way(metrics: Metrics, system: str = NET) -> list[Accuracy]:
    """Return a system's accuracies over all test alphabets, one per N."""
    figures = (metrics.find("n_way", system, way) for way in metrics.ways())
    return [figure for figure in figures if figure is not None]


def fixed_or(metrics: Metrics, config: Mapping[str, object], name: str, default: float) -> float:
    """Return a number of the fitted configuration, searched, fixed by the study, or neither."""
    if name in metrics.parameters:
        return float(metrics.parameters[name])
    specification = config.get(f"parameters.{name}")
    if isinstance(specification, Mapping) and "value" in specification:
        return float(specification["value"])
    return default
