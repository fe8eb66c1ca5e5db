"""The accuracies of fitted nets and of the baselines on the test alphabets."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from data.batches.pairs import Pairs
from hpo.results.metrics import NET, Accuracy
from model.baselines import BASELINES
from model.evaluation.protocols import Benchmark, Task, Verification, net_scores, net_verification
from model.evaluation.scores import credit
from model.net.siamese import SiameseNet
from model.training.trainer import Validation

_TITLES = {
    "official_runs": "official runs, {way}-way",
    "n_way": "{way}-way, within alphabets",
    "mnist": "MNIST, {way}-way, no fine-tuning",
}


def net_figures(
    nets: Sequence[SiameseNet], tests: Benchmark, validation: Validation
) -> tuple[list[Accuracy], list[Verification]]:
    """Return the nets' accuracies, one value per net, and how each verifies pairs.

    Args:
        nets: one per seed.
        tests: at the nets' image size, on their device.
        validation: on whose pairs each net is calibrated.
    """
    credits: list[list[Tensor]] = [[] for _ in tests.tasks]
    verified = []
    device = tests.drawings.device
    pairs = Pairs(*(column.to(device) for column in vars(validation.pairs).values()))
    for net in nets:
        for task, scores, column in zip(
            tests.tasks, net_scores(net, tests.tasks), credits, strict=True
        ):
            column.append(credit(scores, task.trials.answer).double())
        verified.append(net_verification(net, tests, validation.trials.drawings.to(device), pairs))
    figures = []
    for task, column in zip(tests.tasks, credits, strict=True):
        figures += _figures(task, NET, column)
    figures.append(
        Accuracy.of(
            [each.accuracy for each in verified],
            trials=len(tests.pairs),
            protocol="verification",
            system=NET,
            title="verification, same or different",
            chance=0.5,
        )
    )
    return figures, verified


def baseline_figures(tests: Benchmark) -> list[Accuracy]:
    """Return the accuracies of every row of `BASELINES` on the one-shot trials.

    Args:
        tests: at the data's full size, as in the published results.
    """
    figures = []
    widest = max((t.trials.way for t in tests.tasks if t.protocol == "n_way"), default=0)
    for task in tests.tasks:
        for name, baseline in BASELINES.items():
            if task.protocol == "n_way" and task.trials.way != widest and not baseline.every_way:
                continue
            few = _few(task, baseline.max_trials)
            scores = baseline.scores(few.trials)
            found = _figures(few, name, [credit(scores, few.trials.answer).double()])
            # Few trials are too few per alphabet.
            figures += found if baseline.max_trials is None else found[:1]
    return figures


def _figures(task: Task, system: str, credits: Sequence[Tensor]) -> list[Accuracy]:
    """Return the task's accuracy, and for N-way tasks one per alphabet."""
    trials = task.trials
    title = _TITLES[task.protocol].format(way=trials.way)
    groups: dict[str | None, Tensor] = {None: torch.ones_like(trials.answer, dtype=torch.bool)}
    if task.protocol == "n_way":
        groups.update(task.alphabets())
    return [
        Accuracy.of(
            [float(column[group].mean()) for column in credits],
            trials=int(group.sum()),
            protocol=task.protocol,
            system=system,
            title=f"{title}, {alphabet}" if alphabet else title,
            way=trials.way,
            alphabet=alphabet,
            chance=1 / trials.way,
            left_out=[] if alphabet else list(task.left_out),
        )
        for alphabet, group in groups.items()
    ]


def _few(task: Task, number: int | None) -> Task:
    """Return at most ``number`` of the task's trials, spread evenly over its alphabets."""
    trials = task.trials
    if number is None or len(trials) <= number:
        return task
    chosen = torch.arange(number) * len(trials) // number
    few = replace(
        trials,
        query=trials.query[chosen],
        support=trials.support[chosen],
        answer=trials.answer[chosen],
    )
    return replace(task, trials=few)
