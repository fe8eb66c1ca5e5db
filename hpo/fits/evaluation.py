"""The test figures of fitted nets, with the baselines beside them."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from data.batches.pairs import Pairs
from hpo.results.metrics import Figure, System, figure
from model.baselines import modified_hausdorff_scores, nearest_neighbour_scores
from model.evaluation.protocols import Benchmark, Task, Verification, net_scores, net_verification
from model.evaluation.scores import credit
from model.net.siamese import SiameseNet
from model.training.trainer import Validation

HAUSDORFF_TRIALS = 400
"""The distance takes milliseconds a pair: of random trials, no more than this are scored."""

_TITLES = {
    "official_runs": "official runs, {way}-way",
    "n_way": "{way}-way, within alphabets",
    "mnist": "MNIST, {way}-way, no fine-tuning",
}


def net_figures(
    nets: Sequence[SiameseNet], tests: Benchmark, validation: Validation
) -> tuple[list[Figure], list[Verification]]:
    """Return the nets' figures, a value for each, and how each tells same from different.

    Args:
        nets: one per seed.
        tests: at the nets' image size, on their device.
        validation: what each net's calibration is fitted on.
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
        figures += _figures(task, "net", column)
    figures.append(
        figure(
            [each.accuracy for each in verified],
            trials=len(tests.pairs),
            protocol="verification",
            system="net",
            title="verification, same or different",
            chance=0.5,
        )
    )
    return figures, verified


def baseline_figures(tests: Benchmark) -> list[Figure]:
    """Return what pixel 1-NN and the modified Hausdorff distance make of the one-shot trials.

    Args:
        tests: at the data's full size, as the published figures were measured.
    """
    figures = []
    widest = max((t.trials.way for t in tests.tasks if t.protocol == "n_way"), default=0)
    for task in tests.tasks:
        scores = nearest_neighbour_scores(task.trials)
        figures += _figures(task, "pixel 1-NN", [credit(scores, task.trials.answer).double()])
        if task.protocol != "n_way" or task.trials.way == widest:
            few = _few(task, HAUSDORFF_TRIALS)
            scores = modified_hausdorff_scores(few.trials)
            column = [credit(scores, few.trials.answer).double()]
            figures += _figures(few, "modified Hausdorff", column)[:1]
    return figures


def _figures(task: Task, system: System, credits: Sequence[Tensor]) -> list[Figure]:
    """Return the task's figure, and one per alphabet where its trials are of several."""
    trials = task.trials
    title = _TITLES[task.protocol].format(way=trials.way)
    groups: dict[str | None, Tensor] = {None: torch.ones_like(trials.answer, dtype=torch.bool)}
    if task.protocol == "n_way":
        groups.update(task.alphabets())
    return [
        figure(
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


def _few(task: Task, number: int) -> Task:
    """Return at most ``number`` of the task's trials, spread evenly over its alphabets."""
    trials = task.trials
    if len(trials) <= number:
        return task
    chosen = torch.arange(number) * len(trials) // number
    few = replace(
        trials,
        query=trials.query[chosen],
        support=trials.support[chosen],
        answer=trials.answer[chosen],
    )
    return replace(task, trials=few)
