"""The final fits of a study: those at hand, and how to make those that are not."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hpo.results.metrics import METRICS, Figure, Metrics, Protocol, System, load_metrics
from hpo.results.published import comparable
from hpo.study.errors import StudyError
from hpo.study.storage.location import StudyLocation

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fit:
    """A final fit.

    Attributes:
        label: what to call it in tables and pictures.
        folder: where its net and its gallery lie.
        metrics: what it scored.
    """

    label: str
    folder: Path
    metrics: Metrics

    @property
    def small(self) -> bool:
        """Whether it learnt from the five alphabets of a small background set."""
        data = self.metrics.data
        return comparable(data) and data["name"].startswith("omniglot-small")


def find_fits(location: StudyLocation) -> list[Fit]:
    """Return the study's final fits, the best configuration's first; damaged ones are left out."""
    folders = [location.folder / "final", *sorted(location.folder.glob("final-*"))]
    found: dict[tuple[int, str], Fit] = {}
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
            found[key] = Fit(_label(metrics), folder, metrics)
    return list(found.values())


def _label(metrics: Metrics) -> str:
    names = {(True, True): "best and the paper's", (True, False): "best", (False, True): "paper's"}
    name = names.get((metrics.title == "best", metrics.trial == 0), "another")
    background = metrics.data["name"].partition("omniglot-")[2] * comparable(metrics.data)
    learnt = f", {background} alone" if background else ""
    return f"ours, {name} configuration (trial {metrics.trial}{learnt})"


def of_alphabets(metrics: Metrics, protocol: Protocol, way: int) -> list[Figure]:
    """Return the net's figures of all alphabets together and of each, that there are."""
    names: list[str | None] = [None, *metrics.alphabets()]
    figures = (metrics.find(protocol, way=way, alphabet=name) for name in names)
    return [figure for figure in figures if figure is not None]


def n_way(metrics: Metrics, system: System = "net") -> list[Figure]:
    """Return a system's figures over all test alphabets, one per N."""
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
