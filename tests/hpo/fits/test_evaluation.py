import pytest
import torch

from data.batches.one_shot import OneShotTrials, generate
from data.batches.pairs import PairSampler
from data.split import split
from hpo.fits.evaluation import baseline_figures, net_figures
from hpo.results.metrics import NET, Accuracy
from model.baselines import BASELINES, Baseline
from model.evaluation.protocols import Benchmark, benchmark
from model.evaluation.scores import credit, one_shot_scores
from model.net.siamese import SiameseNet
from model.training.trainer import Validation
from tests.hpo.support import tiny_config, tiny_dataset


@pytest.fixture(scope="module")
def tests() -> Benchmark:
    return benchmark(tiny_dataset(), trials_per_alphabet=30, pairs=40)


def picked(figures: list[Accuracy], system: str) -> list[tuple[int | None, str | None, int]]:
    return [(one.way, one.alphabet, one.trials) for one in figures if one.system == system]


def test_each_net_has_a_value_on_every_task(tests: Benchmark) -> None:
    space = tiny_config().space()
    architecture = space.hyperparameters(space.initial_configurations[0]).architecture
    nets = []
    for seed in range(2):
        torch.manual_seed(seed)
        nets.append(SiameseNet(architecture))
    drawings = split(tiny_dataset(), "all").validation
    trials = generate(drawings, way=4, trials=8, variant="all_drawers", seed=0)
    validation = Validation(trials, PairSampler(drawings, 0).draw(32))
    figures, verified = net_figures(nets, tests, validation)
    assert figures[-1].protocol == "verification"
    assert figures[-1].values == [each.accuracy for each in verified]
    assert picked(figures, NET) == [
        *((way, alphabet, 30) for way in (2, 5) for alphabet in (None, "f")),
        (None, None, 40),
    ]
    for task, figure in zip(tests.tasks, figures[::2], strict=False):
        for net, value in zip(nets, figure.values, strict=True):
            scores = one_shot_scores(net, task.trials)
            assert value == pytest.approx(float(credit(scores, task.trials.answer).mean()))


def test_a_baseline_is_scored_as_its_row_says(
    tests: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def scores(trials: OneShotTrials) -> torch.Tensor:
        seen.append(len(trials))
        return torch.zeros(len(trials), trials.way)

    for name in list(BASELINES):
        monkeypatch.delitem(BASELINES, name)
    monkeypatch.setitem(BASELINES, "all", Baseline(title="", scores=scores))
    few = Baseline(title="", scores=scores, max_trials=10, every_way=False)
    monkeypatch.setitem(BASELINES, "few", few)
    figures = baseline_figures(tests)
    assert picked(figures, "all") == [(w, a, 30) for w in (2, 5) for a in (None, "f")]
    # Ten trials are too few for single alphabets.
    assert picked(figures, "few") == [(5, None, 10)]
    assert seen == [30, 30, 10]
    for figure in figures:
        assert figure.values == [pytest.approx(figure.chance)]
