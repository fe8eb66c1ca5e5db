"""What ``siamese.onnx`` scores alone: ``python -m tests.benchmarks.exported --final DIR ...``.

For each final fit on Omniglot, the file's accuracy beside that of the net's logits: on the official
runs, where ``metrics.json`` has a figure too, and on random trials within the test alphabets; the
share of queries whose best similarities are tied; and the range of the similarities.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch

from data.batches.one_shot import OneShotTrials, generate
from data.sources.table import load
from data.split import split
from hpo.results.metrics import Metrics, load_metrics
from model.evaluation.scores import credit, one_shot_scores
from model.net.saved import load_net
from tests.benchmarks import named_path

FRESH = 1_000
SEED = 77


class Score(NamedTuple):
    """Of the file alone, as shares of the trials but for the similarities.

    Attributes:
        accuracy: by the file, a tie counting as 1/k.
        by_logit: by the saved net's logits.
        same_answer: the file's first answer is that of the logits.
        tied: the best similarity is not the only one of its value, though the logits differ.
        same: median similarity of the query to the right character.
        different: to the others.
    """

    accuracy: float
    by_logit: float
    same_answer: float
    tied: float
    same: float
    different: float


def similarities(session: onnxruntime.InferenceSession, trials: OneShotTrials) -> torch.Tensor:
    """Return the file's similarities ``[T, N]``, computed trial by trial."""
    rows = []
    for query, support in zip(trials.query, trials.support, strict=True):
        b = trials.drawings.images(support).numpy()
        a = np.ascontiguousarray(trials.drawings.images(query[None]).numpy().repeat(len(b), 0))
        rows.append(torch.from_numpy(session.run(None, {"image_a": a, "image_b": b})[0]))
    return torch.stack(rows)


def score(folder: Path, trials: OneShotTrials) -> Score:
    """Score the exported file of a ``final`` folder on ``trials``, beside the net in it."""
    found = similarities(onnxruntime.InferenceSession(folder / "siamese.onnx"), trials)
    logits = one_shot_scores(load_net(folder).net, trials)
    best = found == found.max(1, keepdim=True).values
    level = logits == logits.max(1, keepdim=True).values
    right = torch.arange(trials.way) == trials.answer[:, None]
    return Score(
        accuracy=float(credit(found, trials.answer).double().mean()),
        by_logit=float(credit(logits, trials.answer).double().mean()),
        same_answer=float((found.argmax(1) == logits.argmax(1)).double().mean()),
        tied=float((best.sum(1) > level.sum(1)).double().mean()),
        same=float(found[right].median()),
        different=float(found[~right].median()),
    )


def stated(metrics: Metrics) -> float | None:
    """Return the official accuracy of the net that was kept."""
    figure = metrics.find("official_runs")
    kept = [seed.seed for seed in metrics.seeds].index(metrics.kept_seed)
    return None if figure is None else figure.values[kept]


def main(arguments: list[str] | None = None) -> int:
    """Print two lines a fit, and return 1 if a file's accuracy is not that of its metrics."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.exported")
    parser.add_argument("--final", type=named_path, nargs="+", required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    bad = 0
    for folder in options.final:
        metrics = load_metrics(folder)
        dataset = load("omniglot", size=metrics.image_size, download=False)
        assert dataset.official_runs is not None
        test = split(dataset, "all").test
        fresh = generate(test, way=20, trials=FRESH, variant="all_drawers", seed=SEED)
        for name, trials in (("official runs", dataset.official_runs), ("fresh trials", fresh)):
            one = score(folder, trials)
            said = stated(metrics) if name == "official runs" else None
            # Two scores that differ in the seventh place may change places.
            differs = said is not None and abs(said - one.accuracy) > 1.01 / len(trials)
            bad += differs
            print(
                f"{folder}: {name}, file {one.accuracy:.2%}, logits {one.by_logit:.2%}, "
                f"metrics.json {'none' if said is None else f'{said:.2%}'}, same answer "
                f"{one.same_answer:.2%}, tied {one.tied:.2%}, similarity {one.same:.3f} of the "
                f"same and {one.different:.2g} of others{', DIFFERS' * differs}",
                flush=True,
            )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
