"""The paper's tests of a finished net: which trials and pairs, drawn once, the same for all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from data.batches.one_shot import OneShotTrials, generate
from data.batches.pairs import Pairs, PairSampler
from data.dataset import Dataset
from data.drawings import Drawings
from data.errors import DataError
from data.sources.mnist import DIGITS, resized
from data.split import split
from model.evaluation.scores import (
    accuracy,
    embed,
    error_rates,
    scores_of,
    verification_credit,
    verification_scores,
)
from model.net.calibration import Calibration
from model.net.ensemble import AnyNet

WAYS = (2, 5, 10, 15, 20)
_SEED = 20_150_701
"""Of the test trials: theirs alone, so that every net and study answers the same ones."""


@dataclass(frozen=True, eq=False)
class Task:
    """One-shot trials of one kind.

    Attributes:
        protocol: ``official_runs``: Lake's 20 runs; ``n_way``: random trials within the test
            alphabets, query and support by any two drawers; ``mnist``: digits.
        trials: what is asked.
        left_out: alphabets with too few characters for these trials.
    """

    protocol: Literal["official_runs", "n_way", "mnist"]
    trials: OneShotTrials
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Benchmark:
    """All that a net is tested on.

    Attributes:
        tasks: the one-shot trials.
        drawings: of the test alphabets, by all drawers.
        pairs: half same, half different, within alphabets, over ``drawings``.
    """

    tasks: tuple[Task, ...]
    drawings: Drawings
    pairs: Pairs

    def at(self, size: int, device: torch.device | str = "cpu") -> "Benchmark":
        """Return the same trials and pairs with the drawings at ``size`` pixels, on ``device``."""
        known: dict[int, Drawings] = {}

        def small(drawings: Drawings, protocol: str = "") -> Drawings:
            if id(drawings) not in known:
                # Digits of 28 px are thick already: they are scaled, not averaged by area.
                reduce = resized if protocol == "mnist" else Drawings.reduced
                known[id(drawings)] = reduce(drawings, size).to(device)
            return known[id(drawings)]

        def task(old: Task) -> Task:
            drawings = small(old.trials.drawings, old.protocol)
            return replace(old, trials=replace(old.trials, drawings=drawings).to(device))

        return Benchmark(tuple(map(task, self.tasks)), small(self.drawings), self.pairs.to(device))


def benchmark(
    dataset: Dataset,
    digits: Drawings | None = None,
    *,
    trials_per_alphabet: int = 400,
    pairs: int = 10_000,
) -> Benchmark:
    """Return the paper's tests (section 4) over ``dataset``'s test alphabets.

    Args:
        dataset: at its full size, for the baselines; `Benchmark.at` gives a net its own.
        digits: MNIST's test digits, None to leave them out.
        trials_per_alphabet: random N-way trials in each test alphabet, for each N.
        pairs: verification pairs.

    Raises:
        DataError: the test alphabets do not suffice for any N.
    """
    test = split(dataset, "all").test
    tasks = []
    if dataset.official_runs is not None:
        tasks.append(Task("official_runs", only_used(dataset.official_runs)))
    for way in WAYS:
        if (task := _n_way(test, way, trials_per_alphabet)) is not None:
            tasks.append(task)
    if digits is not None:
        drawn = generate(digits, way=DIGITS, trials=400, variant="all_drawers", seed=_SEED)
        tasks.append(Task("mnist", only_used(drawn)))
    return Benchmark(tuple(tasks), test, PairSampler(test, _SEED).draw(pairs // 2 * 2))


def _n_way(test: Drawings, way: int, trials_per_alphabet: int) -> Task | None:
    parts, left_out = [], []
    for alphabet in test.alphabet.unique():
        name = test.alphabet_names[int(alphabet)]
        index = (test.alphabet == alphabet).nonzero().squeeze(1)
        try:
            part = generate(
                test.select(index),
                way=way,
                trials=trials_per_alphabet,
                variant="all_drawers",
                seed=_SEED + way,
            )
        except DataError:
            left_out.append(name)
            continue
        parts.append((index[part.query], index[part.support], part.answer))
    if not parts:
        return None
    query, support, answer = (torch.cat(column) for column in zip(*parts, strict=True))
    return Task("n_way", OneShotTrials(test, query, support, answer), tuple(left_out))


def only_used(trials: OneShotTrials) -> OneShotTrials:
    """Return the same trials over no more drawings than they use."""
    used, place = trials.rows.unique(return_inverse=True)
    return OneShotTrials(trials.drawings.select(used), place[:, 0], place[:, 1:], trials.answer)


def net_scores(net: AnyNet, tasks: Sequence[Task]) -> list[Tensor]:
    """Return the net's logits ``[T, N]`` on each task, every drawing embedded once."""
    embeddings: dict[int, Tensor] = {}
    scores = []
    for task in tasks:
        drawings = task.trials.drawings
        if id(drawings) not in embeddings:
            everything = torch.arange(len(drawings), device=drawings.device)
            embeddings[id(drawings)] = embed(net, drawings, everything)
        scores.append(scores_of(net, embeddings[id(drawings)], task.trials.rows))
    return scores


class Verification(NamedTuple):
    """How a net tells same from different.

    Attributes:
        credit: ``[B]`` of each test pair, in [0, 1], at the calibration's shift.
        calibration: fitted on validation pairs.
        false_accept: different validation pairs at or above the shift, of all different ones.
        false_reject: same validation pairs below it, of all the same ones.
    """

    credit: Tensor
    calibration: Calibration
    false_accept: float
    false_reject: float

    @property
    def accuracy(self) -> float:
        """On the test pairs, in [0, 1]."""
        return accuracy(self.credit)


def net_verification(
    net: AnyNet, tests: Benchmark, drawings: Drawings, pairs: Pairs
) -> Verification:
    """Return how the net does on the test pairs, calibrated on the validation pairs given."""
    validation = verification_scores(net, drawings, pairs)
    calibration = Calibration.fit(validation, pairs.same)
    false_accept, false_reject = error_rates(validation, pairs.same, calibration.shift)
    scores = verification_scores(net, tests.drawings, tests.pairs)
    return Verification(
        credit=verification_credit(scores, tests.pairs.same, calibration.shift),
        calibration=calibration,
        false_accept=false_accept,
        false_reject=false_reject,
    )
