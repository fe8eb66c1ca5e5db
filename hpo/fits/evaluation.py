"""The answers of fitted nets and of the baselines on the test alphabets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from data.drawings import Drawings
from hpo.results.accuracy import ENSEMBLE, NET
from hpo.results.answers import Answers, as_ties
from model.baselines import BASELINES
from model.evaluation.protocols import Benchmark, Task, Verification, net_scores, net_verification
from model.evaluation.scores import credit
from model.net.ensemble import AnyNet, Ensemble
from model.training.trainer import Validation

Tell = Callable[[str], None]
"""Told of each step of the tests, as it begins."""


def net_answers(
    nets: Sequence[AnyNet],
    tests: Benchmark,
    validation: Validation,
    tell: Tell = lambda step: None,
) -> tuple[list[Answers], list[Verification]]:
    """Return the nets' answers on each task, verification last, and how each verifies pairs.

    The nets, one per seed, are calibrated on the pairs of ``validation``. The tests are at their
    image size, on their device.
    """
    credits: list[list[Tensor]] = [[] for _ in tests.tasks]
    verified = []
    device = tests.drawings.device
    pairs = validation.pairs.to(device)
    for i, net in enumerate(nets):
        tell(f"net {i + 1} of {len(nets)}")
        for task, scores, column in zip(
            tests.tasks, net_scores(net, tests.tasks), credits, strict=True
        ):
            column.append(credit(scores, task.trials.answer))
        verified.append(net_verification(net, tests, validation.trials.drawings.to(device), pairs))
    answers = [
        _of_task(task, {NET: _rows(column)})
        for task, column in zip(tests.tasks, credits, strict=True)
    ]
    names, character, drawer = _asked(tests.drawings, tests.pairs.a, tests.pairs.b)
    verification = Answers(
        protocol="verification",
        way=None,
        names=names,
        character=character,
        drawer=drawer,
        run=np.zeros(len(character), int),
        ties={NET: _rows([each.credit for each in verified])},
    )
    return [*answers, verification], verified


def with_ensemble(
    answers: Sequence[Answers],
    ensemble: Ensemble,
    tests: Benchmark,
    validation: Validation,
    tell: Tell = lambda step: None,
) -> tuple[list[Answers], Verification]:
    """Return the answers of `net_answers` with those of the ensemble, and how it verifies pairs.

    It answers as one net does that is a single seed.
    """

    def tell_its_own(_: str) -> None:
        tell("ensemble")

    own, (verified,) = net_answers([ensemble], tests, validation, tell_its_own)
    both = zip(answers, own, strict=True)
    return [replace(a, ties={**a.ties, ENSEMBLE: b.ties[NET]}) for a, b in both], verified


def with_baselines(
    answers: Sequence[Answers], tests: Benchmark, tell: Tell = lambda step: None
) -> list[Answers]:
    """Return the answers with those of every row of `BASELINES` to the one-shot trials.

    The answers are to the same trials and, last, to verification pairs. The tests are at the data's
    full size, as in the published results.
    """
    most = widest(tests)
    found = []
    for task, known in zip(tests.tasks, answers, strict=False):
        ties = dict(known.ties)
        tell(f"baselines, {task.protocol.replace('_', ' ')}, {task.trials.way}-way")
        for name, baseline in BASELINES.items():
            if task.protocol == "n_way" and task.trials.way != most and not baseline.every_way:
                continue
            chosen = spread(len(task.trials), baseline.max_trials)
            few = replace(
                task.trials,
                query=task.trials.query[chosen],
                support=task.trials.support[chosen],
                answer=task.trials.answer[chosen],
            )
            row = torch.full((len(task.trials),), torch.nan)
            row[chosen] = credit(baseline.scores(few), few.answer).cpu().float()
            ties[name] = _rows([row])
        found.append(replace(known, ties=ties))
    return [*found, *answers[len(found) :]]


def _of_task(task: Task, ties: Mapping[str, np.ndarray]) -> Answers:
    trials = task.trials
    names, character, drawer = _asked(trials.drawings, trials.query)
    run = np.zeros(len(trials), int)
    if task.protocol == "official_runs":
        # Each has as many queries as characters, and they stand in order.
        run = np.arange(len(trials)) // trials.way + 1
    return Answers(
        protocol=task.protocol,
        way=trials.way,
        names=names,
        character=character,
        drawer=drawer,
        run=run,
        left_out=task.left_out,
        ties=ties,
    )


def _asked(drawings: Drawings, *index: Tensor) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return the characters' names, and which character each drawing is of, and by whom."""
    place = torch.stack(index, 1)
    used, character = drawings.character[place].unique(return_inverse=True)
    names = tuple(drawings.character_names[i] for i in used.tolist())
    return names, character.cpu().numpy(), drawings.drawer[place].cpu().numpy()


def _rows(credits: Sequence[Tensor]) -> np.ndarray:
    return as_ties(torch.stack(list(credits)).cpu().double().numpy())


def widest(tests: Benchmark) -> int:
    """Return the largest N of the N-way tasks, 0 if there is none."""
    return max((t.trials.way for t in tests.tasks if t.protocol == "n_way"), default=0)


def spread(total: int, most: int | None) -> Tensor:
    """Return the indices of at most so many of ``total`` things, spread evenly over them."""
    number = total if most is None else min(most, total)
    return torch.arange(number) * total // max(number, 1)
