"""The results of a final fit: the content of ``final/metrics.json``.

The drawings of its example trials and confusions are beside it in ``gallery.npz``, so that a
report needs neither the data set nor the net; every answer behind the accuracies is in
``answers.npz``.
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from data.files.atomic import write_bytes
from data.files.regular import read_regular
from data.sources.request import SplitBy
from hpo.results.accuracy import NET, Accuracy, Protocol, Share, Whole
from hpo.study.errors import DamagedFitError, StudyError
from hpo.study.record import DataIdentity
from hpo.study.space.catalogue import Value, catalogue
from model.net.calibration import Calibration

METRICS, GALLERY = "metrics.json", "gallery.npz"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SeedFit(_Record):
    """One training of the chosen configuration at full length.

    Attributes:
        seed: of the initial weights and of training.
        epochs: how many it trained.
        best_epoch: the epoch whose weights are kept, from 1: by Koch's split the best by one-shot
            validation accuracy, by Lake's the last.
        validation_accuracy: one-shot accuracy of those weights on the fresh validation trials that
            rank the candidates; in [0, 1]. None by Lake's split, since the fit trained on these
            alphabets.
        calibration: from logits to similarities, fitted on validation pairs; None in files of
            earlier versions.
        false_accept: of the different validation pairs, the share with a similarity of 0.5 or
            more; in [0, 1], on the pairs of the calibration; None in files of earlier versions.
        false_reject: of the same validation pairs, the share with less; likewise.
        verification_threshold: similarity in [0, 1] above which two drawings count as the same
            character: 0.5 if calibrated, else chosen on validation pairs.
        pairs_seen: in training.
        seconds: training and validation, those of the seed that it replaces included.
        history: one `EpochResult` per epoch, as a dictionary; None where a number
            is not finite.
        collapsed: whether its training diverged or fell back to chance; its weights are those of
            the best epoch before.
        retry_of: the seed that collapsed, and that this one replaces; None if none.
    """

    seed: int
    epochs: Whole
    best_epoch: Whole
    validation_accuracy: Share | None
    calibration: Calibration | None = None
    false_accept: Share | None = None
    false_reject: Share | None = None
    verification_threshold: Share = 0.5
    pairs_seen: Whole
    seconds: Annotated[float, Field(ge=0)]
    history: list[dict[str, int | float | bool | None]]
    collapsed: bool = False
    retry_of: int | None = None


class EnsembleFit(_Record):
    """The nets of the ``seeds`` that did not collapse as one; the rest is as in `SeedFit`."""

    seeds: Annotated[list[int], Field(min_length=2)]
    validation_accuracy: Share | None
    calibration: Calibration
    false_accept: Share
    false_reject: Share

    @property
    def title(self) -> str:
        """Its name in tables and plots."""
        return f"ensemble of {len(self.seeds)}"


class Candidate(_Record):
    """A top trial of the search, retrained and rescored before the final one is chosen.

    Attributes:
        trial: its number.
        search_value: its accuracy in the search, biased upwards as the best of many noisy scores.
        scores: one-shot accuracies on fresh validation trials, one per retraining.
        trials: fresh validation trials behind each score.
        pairs_seen: by the first retraining; None in files of earlier versions.
        collapsed: of the scores, how many are of trainings that collapsed, their retries too.
        later: how many rounds of the race came after this one; a trial has a record of each.
        mean: of the scores; the candidate with the highest was chosen.
        low: lower end of the 95 % interval.
        high: its upper end.
    """

    trial: int
    search_value: float
    scores: list[float]
    trials: int
    pairs_seen: int | None = None
    collapsed: int = 0
    later: int = 0
    mean: float
    low: float
    high: float


class GalleryTrial(_Record):
    """One trial of the gallery; drawings are indices into ``ink`` of ``gallery.npz``.

    Attributes:
        alphabet: of all its characters.
        query: the drawing to classify.
        support: one drawing per character.
        answer: index into ``support`` of the query's character.
        chosen: index into ``support`` of the net's choice.
        scores: the net's similarities in [0, 1], one per support drawing; calibrated if the fit is.
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
    """A character that was misclassified as another.

    Attributes:
        alphabet: of both.
        asked: the query's character, as ``<alphabet>/<character>``.
        answered: the character that the net chose.
        count: how often.
        offered: in how many trials the support set had both.
        asked_drawing: a drawing of the query's character, an index into ``ink``.
        answered_drawing: a drawing of the chosen character, likewise.
    """

    alphabet: str
    asked: str
    answered: str
    count: int
    offered: int
    asked_drawing: int
    answered_drawing: int


class Gallery(_Record):
    """Example trials and confusions of the net that was kept.

    Attributes:
        source: the protocol of the example trials.
        trials: example trials, errors first.
        confusion_source: the protocol of the trials behind the confusions.
        confusions: the most frequent ones, in that order.
    """

    source: Protocol
    trials: list[GalleryTrial]
    confusion_source: Protocol
    confusions: list[Confusion]


def _possible(parameters: dict[str, Value]) -> dict[str, Value]:
    for name in parameters.keys() & catalogue().keys():
        catalogue()[name].check(parameters[name])
    return parameters


class Metrics(_Record):
    """The results of a final fit.

    Attributes:
        study: the study's name.
        trial: the number of the trial that was fitted.
        title: ``best``, chosen among the top trials, or ``trial N``, fitted on request.
        parameters: the trial's, by name.
        data: ``name`` and ``digest`` of the data set.
        validation: whose alphabets chose the configuration and the epochs; see `SplitBy`.
        image_size: pixels along a side of the net's input.
        net_parameters: parameter count of the net.
        device: that it was trained on.
        minutes: of training and validation, over all seeds and the selection.
        kept_seed: the seed whose weights are in ``model.safetensors``: the best on validation, or
            by Lake's split the first.
        seeds: the fits.
        ensemble: of their nets; None if none was asked for, or fewer than two did not collapse.
        selection: the candidates of each round, the last round and the chosen one first; empty if
            there was nothing to choose.
        figures: the accuracies on test alphabets, measured once, after everything else.
        gallery: example trials and confusions.
        versions: of the packages that the result depends on.
    """

    study: str
    trial: Whole
    title: str
    parameters: Annotated[dict[str, Value], AfterValidator(_possible)]
    data: DataIdentity
    validation: SplitBy = "koch"
    image_size: Whole
    net_parameters: Whole
    device: str
    minutes: Annotated[float, Field(ge=0)]
    kept_seed: int
    seeds: list[SeedFit]
    ensemble: EnsembleFit | None = None
    selection: list[Candidate] = []
    figures: list[Accuracy]
    gallery: Gallery
    versions: dict[str, str]

    @model_validator(mode="after")
    def _keeps_a_seed(self) -> Self:
        if all(fit.seed != self.kept_seed for fit in self.seeds):
            raise ValueError(f"kept_seed = {self.kept_seed} is none of its seeds")
        return self

    @property
    def collapses(self) -> str:
        """How many seeds collapsed, and how many of them a retry replaced; empty if none."""
        replaced = sum(fit.retry_of is not None and not fit.collapsed for fit in self.seeds)
        count = replaced + sum(fit.collapsed for fit in self.seeds)
        if not count:
            return ""
        said = f"{count} of {len(self.seeds)} seeds collapsed"
        return f"{said}, {replaced} replaced by a retry" if replaced else said

    def find(
        self,
        protocol: Protocol,
        system: str = NET,
        way: int | None = None,
        alphabet: str | None = None,
    ) -> Accuracy | None:
        """Return the accuracy asked for; any way where None is given. None if there is none."""
        asked = (protocol, system, alphabet)
        for figure in self.figures:
            known = (figure.protocol, figure.system, figure.alphabet)
            if known == asked and way in (None, figure.way):
                return figure
        return None

    def ways(self) -> list[int]:
        """Return every N of the N-way accuracies, ascending."""
        return sorted({f.way for f in self.figures if f.protocol == "n_way" and f.way})

    def alphabets(self) -> list[str]:
        """Return the test alphabets with accuracies of their own, in order."""
        return list(dict.fromkeys(f.alphabet for f in self.figures if f.alphabet))


def load_metrics(folder: Path) -> Metrics:
    """Return the metrics in a ``final`` folder.

    Raises:
        StudyError: there are none, or they cannot be read.
    """
    path = folder / METRICS
    try:
        return Metrics.model_validate_json(read_regular(path), strict=True)
    except FileNotFoundError:
        raise StudyError(f"there is no {path}; fit it first, siamese-hpo fit") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise DamagedFitError(
            f"{path} is damaged or of another version ({where}: {first['msg']})"
        ) from None


def save_metrics(metrics: Metrics, folder: Path) -> None:
    """Write the metrics into a ``final`` folder, atomically."""
    # As earlier versions write and read it, where there is nothing that they do not know.
    unknown = {"ensemble"} if metrics.ensemble is None else None
    write_bytes(folder / METRICS, metrics.model_dump_json(indent=1, exclude=unknown).encode())
