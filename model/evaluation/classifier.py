"""Classification of images by a saved net, from an example or a few of each class."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.errors import DataError
from data.images.ink import read_ink
from data.images.listing import listed, shown
from data.images.support import find_support
from model.errors import ModelError
from model.evaluation.scores import EMBED_BATCH
from model.net.calibration import Calibration
from model.net.saved_ensemble import load_answering

_COMPARED = 200
"""Images of a support that are compared with each other, to calibrate a net saved without."""


@dataclass(frozen=True)
class Ranked:
    """One class and how alike the query is to it.

    Attributes:
        name: the class.
        logit: the net's own score, the mean over the class's images; any number.
        similarity: the calibrated logit, in [0, 1]; from 0.5 on they count as of one character.
    """

    name: str
    logit: float
    similarity: float


class Classifier:
    """A saved net, or the ensemble where its folder holds one, and the classes it tells apart.

    A class of several images is as alike as their mean logit: one bad drawing among them then
    decides nothing, as the most alike one would.

    Example:
        >>> classifier = Classifier(Path("studies/compact/final"), Path("letters"))
        >>> classifier.rank(Path("unknown.png"))[0].name

    Attributes:
        calibrated: whether similarities are calibrated; they are not in nets of earlier versions.

    Args:
        model: a ``final`` folder.
        support: the folder of the classes.
        device: what to compute on.
        single: the net that was kept answers, whether or not there is an ensemble.

    Raises:
        ModelError: the model cannot be used.
        DataError: the support cannot be; every image of it that cannot be read is named.
    """

    def __init__(self, model: Path, support: Path, device: str = "cpu", *, single: bool = False):
        classes = find_support(support)
        saved = load_answering(model, single=single)
        self._model, self._size, self._device = model, saved.image_size, device
        self._net = saved.net.to(device)
        self._known = self._embed_support(classes)
        self.calibrated = saved.calibration is not None
        self._calibration = saved.calibration or self._own_calibration(saved.threshold)

    def rank(self, query: Path) -> list[Ranked]:
        """Return every class, the most alike first, equals by name.

        Args:
            query: an image file, of any size, dark on light or light on dark.

        Raises:
            DataError: it cannot be read, or is blank.
            ModelError: the net's scores are no numbers.
        """
        asked = self._embed([self._ink(query)])
        logits = torch.stack([self._score(asked, known).mean() for known in self._known.values()])
        if not bool(logits.isfinite().all()):
            raise ModelError(f"{self._model}: its scores are no numbers; fit it again")
        columns = zip(self._known, logits.tolist(), self._calibration(logits).tolist(), strict=True)
        return sorted((Ranked(*each) for each in columns), key=lambda one: (-one.logit, one.name))

    def _ink(self, path: Path) -> np.ndarray:
        ink = read_ink(path, self._size)
        if not ink.any():
            raise DataError(
                f"{shown(path)}: blank, no ink found in it; draw darker, or crop to the drawing"
            )
        return ink

    def _embed_support(self, classes: Mapping[str, Sequence[Path]]) -> dict[str, Tensor]:
        inks: dict[str, list[np.ndarray]] = {name: [] for name in classes}
        bad = []
        for name, paths in classes.items():
            for path in paths:
                try:
                    inks[name].append(self._ink(path))
                except DataError as error:
                    bad.append(str(error))
        if bad:
            raise DataError(listed(bad, "\n"))
        return {name: self._embed(images) for name, images in inks.items()}

    def _embed(self, inks: Sequence[np.ndarray]) -> Tensor:
        images = torch.from_numpy(np.stack(inks)).unsqueeze(1)
        with torch.inference_mode():
            parts = images.to(self._device).split(EMBED_BATCH)
            return torch.cat([self._net.embed(part.float() / 255) for part in parts])

    def _score(self, first: Tensor, second: Tensor) -> Tensor:
        # In float64 similarities stay distinct much further.
        with torch.inference_mode():
            return self._net.score(first, second).double().cpu()

    def _own_calibration(self, threshold: float) -> Calibration:
        """Return a calibration for a net that was saved without one.

        Its threshold, a sigmoid, gives the shift; where that is 0 or 1 already, the support's
        images do: they are of different characters, but for those of one class.
        """
        if 0 < threshold < 1:
            return Calibration(shift=math.log(threshold) - math.log1p(-threshold), scale=1.0)
        images = torch.cat(list(self._known.values()))
        of = torch.arange(len(self._known)).repeat_interleave(
            torch.tensor([len(known) for known in self._known.values()])
        )
        some = torch.arange(len(images))[:: -(-len(images) // _COMPARED)]
        first, second = torch.combinations(some, 2).unbind(1)
        scores = self._score(images[first], images[second])
        return Calibration.fit(scores, (of[first] == of[second]).float())
