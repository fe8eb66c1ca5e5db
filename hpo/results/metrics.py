"""What a final fit was and what it scored: the content of ``final/metrics.json``.

The pictures that go with it, of one-shot trials and of confused characters, lie beside it in
``gallery.npz``, so that a report needs neither the data set nor the net.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from data.files.atomic import write_bytes
from hpo.study.errors import StudyError
from model.evaluation.intervals import interval
from model.net.calibration import Calibration

METRICS, GALLERY = "metrics.json", "gallery.npz"

Protocol = Literal["official_runs", "n_way", "verification", "mnist"]
System = Literal["net", "pixel 1-NN", "modified Hausdorff"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Record):
    """One accuracy, with all that has to stand beside it.

    Attributes:
        protocol: ``official_runs``: Lake's 20 runs (20-way, 400 answers); ``n_way``: random trials
            within the test alphabets, by all drawers; ``verification``: same or different, on
            balanced pairs of the test alphabets; ``mnist``: 10-way, digits, no fine-tuning.
        system: whose accuracy: the net's, or a baseline's that learns nothing.
        title: the same in words.
        way: characters offered in a trial, None for verification.
        alphabet: the one test alphabet that it is about, None for all of them.
        trials: one-shot trials, or pairs, that each of ``values`` is the mean of.
        chance: what guessing scores.
        values: accuracies in [0, 1]: the net's by seed, in the order of ``Metrics.seeds``, all on
            the same trials; a baseline's single one.
        mean: of the values.
        low: lower end of the 95 % interval; see `interval`.
        high: its upper end.
        left_out: test alphabets with fewer than ``way`` characters, on which it says nothing.
    """

    protocol: Protocol
    system: System
    title: str
    way: int | None = None
    alphabet: str | None = None
    trials: int
    chance: float
    values: list[float]
    mean: float
    low: float
    high: float
    left_out: list[str] = []

    def shown(self) -> str:
        """Return the accuracy and all that it rests on: ``92.0 % [89.1, 94.3] 400 x 3``."""
        seeds = f" x {len(self.values)} seeds" if self.system == "net" else ""
        return (
            f"{100 * self.mean:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}] "
            f"{self.trials:,}{seeds}"
        )


class SeedFit(_Record):
    """One training of the chosen configuration at full length.

    Attributes:
        seed: of the weights and of all that is random in training.
        epochs: how many it trained.
        best_epoch: the one whose weights are kept, by one-shot validation accuracy; from 1.
        validation_accuracy: one-shot, of that epoch's weights, on the fresh validation trials that
            the candidates are compared on; in [0, 1].
        calibration: from logits to similarities, fitted on validation pairs; None in files of
            earlier versions.
        false_accept: different validation pairs with a similarity of 0.5 or more, of all
            different ones; in [0, 1], on the pairs of the calibration; None as before.
        false_reject: same validation pairs with less, of all the same ones.
        verification_threshold: the similarity, in [0, 1], above which two drawings count as of
            one character: 0.5 by the calibration, else chosen on validation pairs.
        pairs_seen: in training.
        seconds: training and validation.
        history: one `EpochResult` per epoch, as a dictionary; None where a number
            is not finite.
    """

    seed: int
    epochs: int
    best_epoch: int
    validation_accuracy: float
    calibration: Calibration | None = None
    false_accept: float | None = None
    false_reject: float | None = None
    verification_threshold: float = 0.5
    pairs_seen: int
    seconds: float
    history: list[dict[str, Any]]


class Candidate(_Record):
    """A trial of the search, trained and scored anew before one was chosen.

    Attributes:
        trial: its number.
        search_value: what the search made of it: the best of many noisy scores, so it flatters.
        scores: one-shot accuracy on fresh validation trials, one per retraining.
        trials: fresh validation trials that each score is the mean of.
        pairs_seen: by the first retraining; None in files of earlier versions.
        mean: of the scores; the candidate with the highest was chosen.
        low: lower end of the 95 % interval.
        high: its upper end.
    """

    trial: int
    search_value: float
    scores: list[float]
    trials: int
    pairs_seen: int | None = None
    mean: float
    low: float
    high: float


class GalleryTrial(_Record):
    """One trial of the gallery; drawings are places in ``gallery.npz``'s ``ink``.

    Attributes:
        alphabet: all its characters' own.
        query: the drawing asked.
        support: the drawings offered.
        answer: the place in ``support`` that is right.
        chosen: the place that the net took.
        scores: the net's similarities, in [0, 1], one per drawing offered; calibrated where the
            fit is.
    """

    alphabet: str
    query: int
    support: list[int]
    answer: int
    chosen: int
    scores: list[float]

    @property
    def right(self) -> bool:
        """Whether the net was right."""
        return self.answer == self.chosen


class Confusion(_Record):
    """Two characters of which one was taken for the other.

    Attributes:
        alphabet: of both.
        asked: the query's character, as ``<alphabet>/<character>``.
        answered: what the net took it for.
        count: how often.
        offered: in how many trials it could have.
        asked_drawing: a drawing of the one, a place in ``gallery.npz``'s ``ink``.
        answered_drawing: a drawing of the other.
    """

    alphabet: str
    asked: str
    answered: str
    count: int
    offered: int
    asked_drawing: int
    answered_drawing: int


class Gallery(_Record):
    """What to show of the answers; made with the net that was kept.

    Attributes:
        source: which trials the shown ones are from.
        trials: a handful, wrong ones first.
        confusion_source: which trials the confusions were counted on.
        confusions: the most frequent ones, most frequent first.
    """

    source: Protocol
    trials: list[GalleryTrial]
    confusion_source: Protocol
    confusions: list[Confusion]


class Metrics(_Record):
    """All of a final fit.

    Attributes:
        study: the study's name.
        trial: the number of the trial that was fitted.
        title: ``best``, chosen among the top trials, or ``trial N``, fitted because asked for.
        parameters: the trial's, by name.
        data: ``name`` and ``digest`` of the data set.
        image_size: pixels along a side of what the net takes.
        net_parameters: how many trainable numbers the net has.
        device: what it was trained on.
        minutes: of training and validation, all seeds together, selection included.
        kept_seed: whose weights lie in ``model.safetensors``: the best on validation.
        seeds: the fits.
        selection: the candidates, the chosen one first; empty where none had to be chosen.
        figures: the test figures, measured once, after all else.
        gallery: what to show of the answers.
        versions: of what the result depends on.
    """

    study: str
    trial: int
    title: str
    parameters: dict[str, Any]
    data: dict[str, str]
    image_size: int
    net_parameters: int
    device: str
    minutes: float
    kept_seed: int
    seeds: list[SeedFit]
    selection: list[Candidate] = []
    figures: list[Figure]
    gallery: Gallery
    versions: dict[str, str]

    def find(
        self,
        protocol: Protocol,
        system: System = "net",
        way: int | None = None,
        alphabet: str | None = None,
    ) -> Figure | None:
        """Return the figure asked for; any way where None is given. None if there is none."""
        for figure in self.figures:
            if (figure.protocol, figure.system, figure.alphabet) == (
                protocol,
                system,
                alphabet,
            ) and way in (None, figure.way):
                return figure
        return None

    def ways(self) -> list[int]:
        """Return every N of the N-way figures, rising."""
        return sorted({f.way for f in self.figures if f.protocol == "n_way" and f.way})

    def alphabets(self) -> list[str]:
        """Return the test alphabets that have figures of their own, in their order."""
        return list(dict.fromkeys(f.alphabet for f in self.figures if f.alphabet))


def load_metrics(folder: Path) -> Metrics:
    """Return the metrics in a ``final`` folder.

    Raises:
        StudyError: there are none, or they cannot be read.
    """
    path = folder / METRICS
    try:
        return Metrics.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise StudyError(f"there is no {path}; run python -m hpo.final_fit first") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise StudyError(
            f"{path} is damaged or of another version ({where}: {first['msg']}); fit again"
        ) from None


def save_metrics(metrics: Metrics, folder: Path) -> None:
    """Write the metrics into a ``final`` folder, whole or not at all."""
    write_bytes(folder / METRICS, metrics.model_dump_json(indent=1).encode())


def figure(values: Sequence[float], *, trials: int, **which: Any) -> Figure:
    """Return the figure of these accuracies, one per seed; ``which`` are its other fields."""
    mean, low, high = interval(values, trials)
    return Figure(values=list(values), trials=trials, mean=mean, low=low, high=high, **which)
