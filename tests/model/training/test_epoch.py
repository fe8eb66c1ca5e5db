import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from hpo.results.metrics import Metrics
from model.hyperparameters import Recipe
from model.training.epoch import COLLAPSE_EPOCHS, EpochResult, epochs_at_chance
from model.training.trainer import Trainer
from tests import ROOT
from tests.model.support import scripted, tiny_hyperparameters, tiny_trainer

PAIRS, EPISODES = Recipe(), Recipe(batch="episodes", loss="episode", way=20)
FITS = sorted((ROOT / "studies/results").glob("*/metrics*.json"))


def history(*rows: tuple[float, float]) -> list[EpochResult]:
    """Return epochs of these accuracies and losses."""
    known = {"verification_accuracy": 0.5, "seconds": 1.0, "pairs_per_second": 1.0}
    return [
        EpochResult(
            epoch=i + 1, one_shot_accuracy=acc, loss=loss, pairs_seen=i, diverged=False, **known
        )
        for i, (acc, loss) in enumerate(rows)
    ]


def at_chance(epochs: Sequence[EpochResult], recipe: Recipe = PAIRS, trials: int = 320) -> int:
    return epochs_at_chance(epochs, recipe, way=20, trials=trials)


def test_json_has_none_for_what_is_not_finite() -> None:
    (result,) = history((0.5, math.nan))
    assert json.loads(json.dumps(result.as_json(), allow_nan=False))["loss"] is None
    (result,) = history((0.5, 0.25))
    assert EpochResult(**result.as_json()) == result


LEARNT, CHANCE = (0.6, 0.4), (0.06, math.log(2))


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ([LEARNT, CHANCE, CHANCE], 2),
        ([LEARNT, *[CHANCE] * COLLAPSE_EPOCHS], COLLAPSE_EPOCHS),
        ([LEARNT, CHANCE, LEARNT], 0),
        ([LEARNT, CHANCE, LEARNT, CHANCE], 1),
        # Not yet learnt, for however long.
        ([CHANCE] * 100, 0),
        # Barely above chance before, as by luck.
        ([(0.11, 0.69), *[CHANCE] * 9], 0),
        # Overfitted, but not collapsed.
        ([LEARNT, *[(0.05, 0.1)] * 9], 0),
        # Weak, but not at chance.
        ([LEARNT, *[(0.1, 0.7)] * 9], 0),
        ([LEARNT, *[(0.05, 80.0)] * 3], 3),
    ],
)
def test_epochs_at_chance_are_counted(rows: list[tuple[float, float]], count: int) -> None:
    assert at_chance(history(*rows)) == count


def test_the_loss_of_a_constant_net_is_that_of_the_recipe() -> None:
    for loss, count in ((2.99, 1), (2.0, 0)):
        assert at_chance(history(LEARNT, (0.05, loss)), EPISODES) == count
    halved = replace(EPISODES, loss="pair")
    assert at_chance(history(LEARNT, (0.05, 0.69)), halved) == 1


def test_few_trials_prove_less() -> None:
    rows = history((0.2, 0.5), *[CHANCE] * 9)
    assert at_chance(rows, trials=320) == 9
    assert at_chance(rows, trials=20) == 0


def test_of_the_committed_fits_the_one_that_collapsed_is_found() -> None:
    """It fell to chance after epoch 16 of 40 and stayed there; all others are healthy."""
    found = []
    for file in FITS:
        metrics = Metrics.model_validate_json(file.read_bytes())
        loss, way = (metrics.parameters.get(f"recipe.{name}") for name in ("loss", "way"))
        recipe = EPISODES if loss == "episode" else PAIRS
        recipe = replace(recipe, way=way or recipe.way)
        for fit in metrics.seeds:
            epochs = [EpochResult(**epoch) for epoch in fit.history]
            for end in range(1, len(epochs) + 1):
                if at_chance(epochs[:end], recipe) >= COLLAPSE_EPOCHS:
                    found.append((file.name, fit.seed, end))
                    break
    known = [one for one in found if one[0] == "metrics-papers-recipe.json"]
    assert found == known
    if any(file.name == "metrics-papers-recipe.json" for file in FITS):
        assert found == [("metrics-papers-recipe.json", 1, 22)]


def silenced(trainer: Trainer) -> None:
    """Let the net's embeddings be noise of no account, from here on."""
    generator = torch.Generator().manual_seed(0)
    trainer.net.fc.register_forward_hook(
        lambda _m, _i, out: 0 * out + 1e-6 * torch.randn(out.shape, generator=generator)
    )


def test_a_net_that_falls_back_to_chance_ends_and_is_marked() -> None:
    """Its scores differ in their last digits, so it has not diverged."""
    trainer = tiny_trainer(tiny_hyperparameters(distortion=0.0), epochs=60, patience=60)
    fell = 0
    for result in trainer.epochs():
        if not fell and result.one_shot_accuracy > 0.6:
            fell = result.epoch
            silenced(trainer)
    last = trainer.history[-1]
    assert fell
    assert last.epoch == fell + 5
    assert [result.collapsed for result in trainer.history] == [*[False] * (fell + 4), True]
    assert not last.diverged
    assert trainer.best is not None
    assert trainer.best.epoch == fell, "the value is that of the best epoch"
    again = tiny_trainer(tiny_hyperparameters(distortion=0.0), epochs=60, patience=60)
    again.load_state_dict(trainer.state_dict())
    assert list(again.epochs()) == [], "and it stays ended"


def test_a_net_that_has_not_begun_to_learn_is_given_its_time() -> None:
    trainer = tiny_trainer(epochs=12, patience=20)
    silenced(trainer)
    assert len(list(trainer.epochs())) == 12
    assert not any(result.collapsed for result in trainer.history)


@pytest.mark.parametrize(
    ("accuracies", "patience", "epochs", "collapsed"),
    [
        ([0.3, 0.9, *[0.25] * 18], 20, 7, True),
        ([0.3, 0.9, *[0.25] * 4, *[0.8] * 14], 20, 20, False),
        # It ends by itself, but what it ends with is chance.
        ([0.3, 0.9, *[0.25] * 18], 2, 4, True),
        ([0.3, 0.9, *[0.7] * 17, 0.25], 20, 20, True),
        ([0.3, 0.9, *[0.7] * 18], 2, 4, False),
    ],
)
def test_what_counts_as_collapsed(
    accuracies: list[float], patience: int, epochs: int, collapsed: bool
) -> None:
    trainer = tiny_trainer(epochs=20, patience=patience)
    scripted(trainer, accuracies)
    assert len(list(trainer.epochs())) == epochs
    assert [result.epoch for result in trainer.history if result.collapsed] == [epochs] * collapsed
    assert trainer.best is not None
    assert trainer.best.one_shot_accuracy == 0.9


def test_histories_of_earlier_versions_are_resumed() -> None:
    trainer = tiny_trainer()
    list(trainer.epochs())
    state = trainer.state_dict()
    for epoch in state["history"]:
        del epoch["collapsed"]
    again = tiny_trainer()
    again.load_state_dict(state)
    assert again.history == trainer.history
