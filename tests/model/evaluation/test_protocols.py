import pytest
import torch
from torch import Tensor

from data.batches.one_shot import generate
from data.batches.pairs import PairSampler
from data.dataset import Dataset
from model.evaluation.protocols import (
    Benchmark,
    Task,
    benchmark,
    net_scores,
    net_verification,
)
from model.evaluation.scores import credit
from model.hyperparameters import Architecture
from model.net.siamese import SiameseNet
from tests.synthetic import synthetic

CHARACTERS = (6, 6, 4, 21)  # the last two alphabets are the test's


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    drawings = synthetic(CHARACTERS)
    everyone = tuple(range(1, 7))
    test = drawings.of_alphabets("cd")
    runs = generate(test, way=20, trials=40, variant="two_drawers", seed=0)
    place = torch.isin(drawings.alphabet, torch.tensor([2, 3])).nonzero().squeeze(1)
    official = type(runs)(drawings, place[runs.query], place[runs.support], runs.answer)
    return Dataset(
        name="synthetic",
        drawings=drawings,
        alphabets={"train": ("a",), "validation": ("b",), "test": ("c", "d")},
        drawers=dict.fromkeys(("train", "validation", "test"), everyone),  # type: ignore[arg-type]
        digest="",
        official_runs=official,
    )


@pytest.fixture(scope="module")
def tests(dataset: Dataset) -> Benchmark:
    digits = synthetic((10,), size=28)
    return benchmark(dataset, digits, trials_per_alphabet=30, pairs=200)


class Constant(SiameseNet):
    def score(self, first: Tensor, second: Tensor) -> Tensor:
        return super().score(first, second) * 0 + 0.7


def small_net(kind: type[SiameseNet] = SiameseNet) -> SiameseNet:
    shape = {"image_size": 16, "filters": (4,), "kernel_sizes": (3,), "poolings": 1, "units": 8}
    return kind(Architecture(**shape), torch.Generator().manual_seed(0))  # type: ignore[arg-type]


def by_alphabet(task: Task) -> dict[str, torch.Tensor]:
    """Return which trials are of which alphabet."""
    drawings = task.trials.drawings
    alphabet = drawings.alphabet[task.trials.query]
    return {drawings.alphabet_names[int(i)]: alphabet == i for i in alphabet.unique()}


def test_a_constant_net_scores_exactly_chance_everywhere(
    dataset: Dataset, tests: Benchmark
) -> None:
    small, net = tests.at(16), small_net(Constant)
    assert {task.protocol for task in small.tasks} == {"official_runs", "n_way", "mnist"}
    for task, scores in zip(small.tasks, net_scores(net, small.tasks), strict=True):
        for part in by_alphabet(task).values():
            accuracy = credit(scores, task.trials.answer).double()[part].mean()
            assert float(accuracy) == pytest.approx(1 / task.trials.way, abs=1e-8)
    validation = dataset.drawings.of_alphabets("b")
    pairs = PairSampler(validation, 0).draw(50)
    assert net_verification(net, small, validation, pairs).accuracy == 0.5


def test_every_drawing_is_embedded_once_for_all_tasks(
    tests: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, net = tests.at(16), small_net()
    embedded, embed = [], net.embed
    monkeypatch.setattr(net, "embed", lambda images: embedded.append(len(images)) or embed(images))
    net_scores(net, small.tasks)
    official, digits = (
        next(len(task.trials.drawings) for task in small.tasks if task.protocol == protocol)
        for protocol in ("official_runs", "mnist")
    )
    assert sum(embedded) == official + len(small.drawings) + digits


def test_an_alphabet_with_too_few_characters_is_left_out(tests: Benchmark) -> None:
    left = {t.trials.way: t.left_out for t in tests.tasks if t.protocol == "n_way"}
    assert left == {2: (), 5: ("c",), 10: ("c",), 15: ("c",), 20: ("c",)}
    for task in tests.tasks:
        if task.protocol == "n_way":
            counts = {name: int(part.sum()) for name, part in by_alphabet(task).items()}
            assert counts == {name: 30 for name in "cd" if name not in task.left_out}


def test_every_trial_is_of_test_alphabets_and_fair(tests: Benchmark) -> None:
    for task in tests.tasks:
        trials = task.trials
        drawings = trials.drawings
        if task.protocol != "mnist":
            assert set(by_alphabet(task)) <= {"c", "d"}
        right = trials.support.gather(1, trials.answer[:, None]).squeeze(1)
        assert (drawings.character[right] == drawings.character[trials.query]).all()
        assert (drawings.drawer[right] != drawings.drawer[trials.query]).all()
        characters = drawings.character[trials.support].sort(1).values
        assert (characters[:, 1:] != characters[:, :-1]).all()
    same = tests.pairs.same > 0.5
    assert int(same.sum()) == len(tests.pairs) // 2
    character = tests.drawings.character
    assert ((character[tests.pairs.a] == character[tests.pairs.b]) == same).all()


def test_at_another_size_the_trials_are_the_same(tests: Benchmark) -> None:
    small = tests.at(12)
    for before, after in zip(tests.tasks, small.tasks, strict=True):
        assert after.trials.drawings.size == 12
        assert torch.equal(before.trials.query, after.trials.query)
        assert torch.equal(before.trials.support, after.trials.support)
    assert small.drawings.size == 12


def test_scores_do_not_depend_on_who_else_is_scored(tests: Benchmark) -> None:
    small, net = tests.at(16), small_net()
    together = net_scores(net, small.tasks)
    for task, scores in zip(small.tasks, together, strict=True):
        torch.testing.assert_close(net_scores(net, [task])[0], scores)
