"""One-shot baselines that learn nothing: pixel 1-NN and the modified Hausdorff distance.

On the official runs both give figures published with the data set, which proves loader and
scorer right: ``python -m model.baselines`` prints 21.75 % correct and 38.75 % wrong.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import scipy
import torch
import typer
from torch import Tensor

from data.batches.one_shot import OneShotTrials
from data.errors import DataError
from data.sources.table import load
from model.command import CommandApp, examples
from model.evaluation.scores import accuracy, credit


def nearest_neighbour_scores(trials: OneShotTrials) -> Tensor:
    """Return the cosine similarities ``[T, N]`` of pixels, the paper's 1-NN."""
    used, place = trials.rows.unique(return_inverse=True)
    # Products of black and white drawings are whole numbers, which float32 holds exactly.
    pixels = trials.drawings.images(used).flatten(1)
    length = pixels.square().sum(1).double().sqrt().clamp_min_(1e-12)
    products = torch.cat(
        [(pixels[part[:, 1:]] @ pixels[part[:, 0], :, None]).squeeze(2) for part in place.split(64)]
    )
    return products.double() / (length[place[:, 1:]] * length[place[:, :1]])


def modified_hausdorff_scores(trials: OneShotTrials) -> Tensor:
    """Return minus the modified Hausdorff distances ``[T, N]`` of centred ink, in pixels.

    The larger of the two mean distances from each inked pixel of one drawing to the nearest of the
    other (Dubuisson and Jain 1994), as in the data set's own demonstration.
    """
    used, place = trials.rows.unique(return_inverse=True)
    trees = [scipy.spatial.cKDTree(_centred_ink(ink)) for ink in trials.drawings.ink[used].cpu()]

    @cache
    def distance(first: int, second: int) -> float:
        there, _ = trees[second].query(trees[first].data)
        back, _ = trees[first].query(trees[second].data)
        return max(there.mean(), back.mean())

    scores = [[-distance(*sorted((row[0], n))) for n in row[1:]] for row in place.tolist()]
    return torch.tensor(scores, dtype=torch.float64, device=trials.drawings.device)


def _centred_ink(ink: Tensor) -> np.ndarray:
    """Return the coordinates ``[P, 2]`` of inked pixels about their mean."""
    points = (ink > 127).nonzero().double()
    if not len(points):
        # A blank drawing is as good as a dot in its middle.
        points = points.new_zeros(1, 2)
    return (points - points.mean(0)).numpy()


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A one-shot classifier without training.

    Attributes:
        title: its name in tables and plots.
        scores: from trials to scores ``[T, N]``, higher for a better match.
        max_trials: the most trials it is scored on, spread evenly; None for all of them.
        every_way: whether it is scored on every N-way task, or only on that of the largest N.
    """

    title: str
    scores: Callable[[OneShotTrials], Tensor]
    max_trials: int | None = None
    every_way: bool = True

    def accuracy(self, trials: OneShotTrials) -> float:
        """Return its accuracy on the trials, in [0, 1]; ties count as 1/k."""
        return accuracy(credit(self.scores(trials), trials.answer))


BASELINES = {
    "pixel 1-NN": Baseline(title="pixel 1-NN (cosine)", scores=nearest_neighbour_scores),
    # The distance takes milliseconds a pair.
    "modified Hausdorff": Baseline(
        title="modified Hausdorff",
        scores=modified_hausdorff_scores,
        max_trials=400,
        every_way=False,
    ),
}
"""The baselines by their name in ``metrics.json``: a row adds one to every fit, table and plot."""


app = CommandApp()


@app.command(epilog=examples("python -m model.baselines --data-root ~/datasets"))
def main(
    data_root: Annotated[
        Path | None,
        typer.Option(
            "--data-root",
            metavar="DIR",
            help="The folder with the data sets. Without it: OMNIGLOT_ROOT in the environment, "
            "./datasets or the cache.",
            rich_help_panel="Data",
        ),
    ] = None,
) -> None:
    """Score the baselines on Omniglot's 20 official one-shot runs (20-way, 400 trials)."""
    try:
        runs = load("omniglot", data_root).official_runs
        if runs is None:
            raise DataError("the official runs (all_runs.zip) are missing; put them beside")
    except (DataError, PermissionError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(f"Official runs of Omniglot: {len(runs)} trials, {runs.way}-way, within alphabets")
    for baseline in BASELINES.values():
        accuracy = baseline.accuracy(runs)
        print(f"{baseline.title:22} {accuracy:7.2%} correct  {1 - accuracy:7.2%} wrong")


if __name__ == "__main__":
    app()
