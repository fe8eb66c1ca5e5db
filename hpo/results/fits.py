"""The final fits in a study's folder."""

import io
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.errors import DataError
from data.files.archives import read_zip
from data.files.regular import refuse_special
from hpo.results.accuracy import ENSEMBLE, NET, Accuracy, Protocol
from hpo.results.answers import load_answers
from hpo.results.metrics import GALLERY, METRICS, Gallery, Metrics, load_metrics
from hpo.results.published import comparable
from hpo.study.errors import ConfigError, StudyError
from hpo.study.space.search_space import SearchSpace
from hpo.study.storage.location import StudyLocation
from model.errors import ModelError
from model.net.export import exportable
from model.net.saved import load_net
from model.net.saved_ensemble import load_ensemble

ONNX, ENSEMBLE_ONNX, CURVE = "siamese.onnx", "ensemble.onnx", "training_curve.png"
"""What is made of the net that was kept, of the ensemble, and of the histories."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SavedFit:
    """A final fit, and its label in tables and plots; in its folder are its net and its gallery.

    ``system`` is whose accuracies are meant: its net's, or its ensemble's; see `with_ensembles`.
    """

    label: str
    folder: Path
    metrics: Metrics
    system: str = NET

    def find(self, protocol: Protocol, way: int | None = None) -> Accuracy | None:
        """Return its accuracy on all test alphabets, None if there is none; any way for None."""
        return self.metrics.find(protocol, self.system, way)

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


def with_ensembles(fits: Sequence[SavedFit]) -> list[SavedFit]:
    """Return the fits, each that has an ensemble followed by that, for tables and plots."""
    found = []
    for fit in fits:
        found.append(fit)
        if (joined := fit.metrics.ensemble) is not None:
            found.append(replace(fit, label=f"{fit.label}, {joined.title}", system=ENSEMBLE))
    return found


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


def complete(folder: Path, digest: str) -> Metrics | None:
    """Return the metrics of a folder that holds this very fit, all of it; None otherwise.

    It may have an ensemble or not, which does not change its nets.
    """
    try:
        metrics = load_metrics(folder)
        kept = _read_all(folder, metrics)
    except (ModelError, StudyError):
        return None
    return metrics if all(one.get("fit") == digest for one in kept) else None


def load_ink(folder: Path, shown: Gallery) -> np.ndarray:
    """Return the drawings ``[M, H, W]``, uint8, of the gallery in a ``final`` folder.

    Raises:
        StudyError: they are not there, or not these.
    """
    path = folder / GALLERY
    try:
        content = next(data for name, data in read_zip(path) if name == "ink.npy")
        ink: np.ndarray = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (DataError, StopIteration, ValueError, EOFError, MemoryError, OverflowError):
        raise StudyError(f"{path} is missing or damaged") from None
    right = ink.dtype == np.uint8 and ink.ndim == 3 and ink.size > 0
    if not (right and _points_into(shown, len(ink))):
        raise StudyError(f"{path} is damaged: it is not of the metrics beside it")
    return ink


def _points_into(shown: Gallery, drawings: int) -> bool:
    indices = [i for trial in shown.trials for i in (trial.query, *trial.support)]
    indices += [i for one in shown.confusions for i in (one.asked_drawing, one.answered_drawing)]
    return all(0 <= i < drawings for i in indices) and all(
        min(trial.answer, trial.chosen) >= 0
        and max(trial.answer, trial.chosen) < len(trial.support) == len(trial.scores)
        for trial in shown.trials
    )


def _read_all(folder: Path, metrics: Metrics) -> list[Mapping[str, Any]]:
    """Read what a fit of these metrics has beside them; return where its nets come from.

    Raises:
        ModelError: a net is missing or damaged; says which file.
        StudyError: something else is.
    """
    kept = [load_net(folder).provenance]
    if metrics.ensemble is not None:
        kept.append(load_ensemble(folder).provenance)
    load_answers(folder)
    load_ink(folder, metrics.gallery)
    return kept


def exports(metrics: Metrics) -> list[str]:
    """Return the names of the files that are made of such a fit for others.

    A fit is complete without them, since each can be made again from the rest of its folder.
    """
    names, joined = [ONNX, CURVE], metrics.ensemble
    if joined is not None and exportable(len(joined.seeds) * metrics.net_parameters):
        names.append(ENSEMBLE_ONNX)
    return names


def damaged_exports(folder: Path, metrics: Metrics) -> list[str]:
    """Return the names of those files that are missing, or are not what their names say."""
    return [name for name in exports(metrics) if not _intact(folder / name)]


def _intact(path: Path) -> bool:
    try:
        refuse_special(path)
        if path.suffix == ".png":
            with Image.open(path, formats=["PNG"]) as picture:
                picture.load()
        else:
            import onnx

            onnx.checker.check_model(path.read_bytes())
    # Each library raises its own, of what it found first.
    except Exception:
        return False
    return True


def replaced(folder: Path, known: Metrics | None) -> str:
    """Return which fit in ``folder`` a new one will replace; empty if there is none.

    ``known`` is that fit if it is the same but for the ensemble that is now asked for.
    """
    if known is not None:
        return (
            f"{folder} holds this fit without an ensemble. Of its nets only that of seed "
            f"{known.kept_seed} was kept, so all {len(known.seeds)} seeds are trained again; what "
            "it holds is replaced at the end."
        )
    if not os.path.exists(folder / METRICS):
        return ""
    try:
        other = load_metrics(folder)
    except StudyError as error:
        return f"{getattr(error, 'what', error)}. It is replaced at the end."
    what = f"of trial {other.trial} with {len(other.seeds)} seeds"
    if other.ensemble:
        what += f" and their {other.ensemble.title}"
    try:
        _read_all(folder, other)
    except (ModelError, StudyError) as error:
        return (
            f"{folder} holds a damaged fit, {what}: {getattr(error, 'what', error)}. All seeds are "
            "trained again; what it holds is replaced at the end."
        )
    return f"{folder} holds another fit, {what}. It is replaced at the end."
