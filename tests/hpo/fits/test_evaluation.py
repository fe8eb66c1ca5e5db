from dataclasses import replace

import pytest
import torch

from data.batches.one_shot import OneShotTrials, generate
from data.batches.pairs import PairSampler
from data.split import split
from hpo.fits.evaluation import net_answers, with_baselines, with_ensemble
from hpo.results.accuracy import ENSEMBLE, NET, Accuracy
from hpo.results.answers import accuracies
from model.baselines import Baseline
from model.evaluation.protocols import Benchmark, benchmark
from model.evaluation.scores import credit, one_shot_scores, verification_scores
from model.net.calibration import Calibration
from model.net.ensemble import Ensemble
from model.net.siamese import SiameseNet
from model.training.trainer import Validation
from tests.hpo.support import tiny_config, tiny_dataset


@pytest.fixture(scope="module")
def tests() -> Benchmark:
    return benchmark(tiny_dataset(), trials_per_alphabet=30, pairs=40)


def picked(figures: list[Accuracy], system: str) -> list[tuple[int | None, str | None, int]]:
    return [(one.way, one.alphabet, one.trials) for one in figures if one.system == system]


def tiny_nets() -> list[SiameseNet]:
    space = tiny_config().space()
    architecture = space.hyperparameters(space.initial_configurations[0]).architecture
    nets = []
    for seed in range(2):
        torch.manual_seed(seed)
        nets.append(SiameseNet(architecture))
    return nets


def tiny_validation() -> Validation:
    drawings = split(tiny_dataset(), "all").validation
    trials = generate(drawings, way=4, trials=8, variant="all_drawers", seed=0)
    return Validation(trials, PairSampler(drawings, 0).draw(32))


def test_each_net_has_a_value_on_every_task(tests: Benchmark) -> None:
    nets = tiny_nets()
    answers, verified = net_answers(nets, tests, tiny_validation())
    figures = accuracies(answers)
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


def test_an_ensemble_answers_as_one_more_seed_would(tests: Benchmark) -> None:
    nets, validation, told = tiny_nets(), tiny_validation(), []
    plain, verified = net_answers(nets, tests, validation)
    ensemble = Ensemble(nets, [each.calibration for each in verified])
    answers, joined = with_ensemble(plain, ensemble, tests, validation, told.append)
    assert told == ["ensemble"]
    # Calibrated on validation pairs, of which none is of a test alphabet.
    logits = verification_scores(ensemble, validation.trials.drawings, validation.pairs)
    assert joined.calibration == Calibration.fit(logits, validation.pairs.same)
    for task, before, kept in zip(tests.tasks, plain, answers, strict=False):
        row = credit(one_shot_scores(ensemble, task.trials), task.trials.answer)
        assert kept.credit(ENSEMBLE) == pytest.approx(row.numpy()[None])
        assert (kept.ties[NET] == before.ties[NET]).all()
    figures = accuracies(answers)
    assert picked(figures, ENSEMBLE) == picked(figures, NET)
    (verification,) = (f for f in figures if (f.protocol, f.system) == ("verification", ENSEMBLE))
    assert verification.values == [joined.accuracy]
    assert [one for one in figures if one.system == NET] == accuracies(plain)


def test_a_baseline_is_scored_as_its_row_says(
    tests: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def scores(trials: OneShotTrials) -> torch.Tensor:
        seen.append(len(trials))
        return torch.zeros(len(trials), trials.way)

    rows = {"all": Baseline(title="", scores=scores)}
    few = Baseline(title="", scores=scores, max_trials=10, every_way=False)
    rows["few"] = few
    monkeypatch.setattr("hpo.fits.evaluation.BASELINES", rows)
    nets = tiny_nets()
    plain, _ = net_answers(nets, tests, tiny_validation())
    answers = with_baselines(plain, tests)
    figures = accuracies(answers)
    assert picked(figures, "all") == [(w, a, 30) for w in (2, 5) for a in (None, "f")]
    # Ten trials are too few for single alphabets.
    assert picked(figures, "few") == [(5, None, 10)]
    assert seen == [30, 30, 10]
    for figure in figures:
        if figure.system != NET:
            assert figure.values == [pytest.approx(figure.chance)]
    # The net's own answers are as they were.
    assert accuracies(plain) == [figure for figure in figures if figure.system == NET]


def test_every_answer_says_what_was_asked(tests: Benchmark) -> None:
    nets = tiny_nets()
    answers, _ = net_answers(nets, tests, tiny_validation())
    for task, kept in zip(tests.tasks, answers, strict=False):
        trials, drawings = task.trials, task.trials.drawings
        for row, (query, right) in enumerate(zip(trials.query, trials.answer, strict=True)):
            character = drawings.character_names[drawings.character[query]]
            assert kept.names[kept.character[row, 0]] == character
            assert kept.drawer[row, 0] == drawings.drawer[query]
            assert 0 <= right < kept.way
        for net, row in zip(nets, kept.credit(NET), strict=True):
            scores = one_shot_scores(net, trials)
            assert row == pytest.approx(credit(scores, trials.answer).numpy())
        assert not kept.run.any()
    pairs, character = tests.pairs, tests.drawings.character
    kept = answers[-1]
    assert ((kept.character[:, 0] == kept.character[:, 1]) == (pairs.same > 0.5).numpy()).all()
    names = [tests.drawings.character_names[i] for i in character[pairs.b]]
    assert [kept.names[i] for i in kept.character[:, 1]] == names


def test_official_runs_are_numbered(tests: Benchmark) -> None:
    (widest,) = (task for task in tests.tasks if task.trials.way == 5)
    runs = replace(tests, tasks=(replace(widest, protocol="official_runs"),))
    answers, _ = net_answers(tiny_nets(), runs, tiny_validation())
    assert answers[0].run.tolist() == [1 + i // 5 for i in range(30)]
