"""Example trials of a net, and the characters that it confuses most often."""

from collections import Counter
from pathlib import Path

import numpy as np
from torch import Tensor

from data.files.atomic import replacing
from hpo.fits.evaluation import spread
from hpo.results.metrics import GALLERY, Confusion, Gallery, GalleryTrial
from model.evaluation.protocols import Benchmark, Task, net_scores
from model.net.calibration import Calibration
from model.net.siamese import SiameseNet

SHOWN_TRIALS = 12
WORST_CONFUSIONS = 20


class GalleryInk:
    """The drawings of a gallery, each stored once, in the order of their first use."""

    def __init__(self) -> None:
        self._index: dict[tuple[int, int], int] = {}
        self._ink: list[np.ndarray] = []

    def add(self, ink: Tensor, index: int) -> int:
        """Store drawing ``index`` of ``ink`` ``[N, H, W]``; return its index in the gallery."""
        key = (id(ink), index)
        if key not in self._index:
            self._index[key] = len(self._ink)
            self._ink.append(ink[index].cpu().numpy())
        return self._index[key]

    def save(self, folder: Path) -> None:
        """Write ``gallery.npz`` with ``ink``, uint8 ``[M, H, W]``, atomically."""
        with replacing(folder / GALLERY) as part, part.open("wb") as file:
            np.savez_compressed(file, ink=np.stack(self._ink))


def make_gallery(
    net: SiameseNet, calibration: Calibration, small: Benchmark, full: Benchmark
) -> tuple[Gallery, GalleryInk]:
    """Return the gallery of ``net``, and its drawings.

    ``small`` are the tests at its image size, on its device; ``full`` are the same at the data's
    full size, to be shown.
    """
    n_way = [i for i, task in enumerate(small.tasks) if task.protocol == "n_way"]
    widest = max(n_way, key=lambda i: small.tasks[i].trials.way)
    official = [i for i, task in enumerate(small.tasks) if task.protocol == "official_runs"]
    source = official[0] if official else widest
    wanted = [small.tasks[source], small.tasks[widest]]
    shown_scores, confused_scores = (scores.cpu() for scores in net_scores(net, wanted))
    ink = GalleryInk()
    gallery = Gallery(
        source=small.tasks[source].protocol,
        trials=_shown(full.tasks[source], shown_scores, calibration, ink),
        confusion_source="n_way",
        confusions=_confusions(full.tasks[widest], confused_scores, ink),
    )
    return gallery, ink


def _shown(
    task: Task, scores: Tensor, calibration: Calibration, ink: GalleryInk
) -> list[GalleryTrial]:
    """Return errors and correct trials, half of each if there are enough."""
    trials = task.trials
    chosen = scores.argmax(1)
    right = chosen == trials.answer
    wrong = _spread(~right, SHOWN_TRIALS // 2)
    picked = wrong + _spread(right, SHOWN_TRIALS - len(wrong))
    drawings = trials.drawings
    return [
        GalleryTrial(
            alphabet=drawings.alphabet_names[int(drawings.alphabet[trials.query[t]])],
            query=ink.add(drawings.ink, int(trials.query[t])),
            support=[ink.add(drawings.ink, i) for i in trials.support[t].tolist()],
            answer=int(trials.answer[t]),
            chosen=int(chosen[t]),
            scores=calibration(scores[t].double()).tolist(),
        )
        for t in picked
    ]


def _spread(mask: Tensor, number: int) -> list[int]:
    """Return up to ``number`` indices where ``mask`` holds, evenly spread."""
    places = mask.nonzero().squeeze(1)
    chosen: list[int] = places[spread(len(places), number)].tolist()
    return chosen


def _confusions(task: Task, scores: Tensor, ink: GalleryInk) -> list[Confusion]:
    trials = task.trials
    drawings = trials.drawings
    asked = drawings.character[trials.query]
    offered = drawings.character[trials.support]
    chosen = scores.argmax(1)
    wrong = (chosen != trials.answer).nonzero().squeeze(1).tolist()
    pair_of = {t: (int(asked[t]), int(offered[t, chosen[t]])) for t in wrong}
    worst = Counter(pair_of.values()).most_common(WORST_CONFUSIONS)
    first = {pair: t for t, pair in reversed(pair_of.items())}
    confusions = []
    for (one, other), count in worst:
        t = first[one, other]
        confusions.append(
            Confusion(
                alphabet=drawings.alphabet_names[int(drawings.alphabet[trials.query[t]])],
                asked=drawings.character_names[one],
                answered=drawings.character_names[other],
                count=count,
                offered=int(((asked == one) & (offered == other).any(1)).sum()),
                asked_drawing=ink.add(drawings.ink, int(trials.query[t])),
                answered_drawing=ink.add(drawings.ink, int(trials.support[t, chosen[t]])),
            )
        )
    return confusions
