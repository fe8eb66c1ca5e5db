from pathlib import Path

import numpy as np
import pytest
import torch

from hpo.fits.gallery import SHOWN_TRIALS, GalleryInk, make_gallery
from hpo.results.metrics import GALLERY
from model.evaluation.protocols import benchmark
from model.evaluation.scores import one_shot_scores
from model.net.calibration import IDENTITY, Calibration
from model.net.siamese import SiameseNet
from tests.hpo.support import SIZE, tiny_config, tiny_dataset


def test_a_gallery_shows_the_trials_as_the_net_scored_them(tmp_path: Path) -> None:
    full = benchmark(tiny_dataset(), trials_per_alphabet=40, pairs=8)
    torch.manual_seed(0)
    space = tiny_config().space()
    net = SiameseNet(space.hyperparameters(space.initial_configurations[0]).architecture)
    calibration = Calibration(shift=0.5, scale=2.0)
    gallery, drawings = make_gallery(net, calibration, full.at(SIZE), full)
    assert gallery.source == gallery.confusion_source == "n_way"
    assert 0 < len(gallery.trials) <= SHOWN_TRIALS
    right = [trial.right for trial in gallery.trials]
    assert right == sorted(right)
    plain, _ = make_gallery(net, IDENTITY, full.at(SIZE), full)
    for before, trial in zip(plain.trials, gallery.trials, strict=True):
        logits = torch.tensor(before.scores, dtype=torch.float64).logit()
        assert trial.scores == pytest.approx(calibration(logits).tolist())
    drawings.save(tmp_path)
    with np.load(tmp_path / GALLERY) as file:
        ink = file["ink"]
    test = full.drawings.ink.numpy()
    for trial in gallery.trials:
        assert trial.scores[trial.chosen] == max(trial.scores)
        assert len(trial.support) == 5
        assert (ink[trial.query] == test).all((1, 2)).any()
    # Every confusion is counted over all trials that offered both characters.
    (task,) = (task for task in full.tasks if task.trials.way == 5)
    chosen = one_shot_scores(net, task.trials).argmax(1)
    assert sum(one.count for one in gallery.confusions) <= int((chosen != task.trials.answer).sum())
    counts = [one.count for one in gallery.confusions]
    assert counts == sorted(counts, reverse=True)
    for one in gallery.confusions:
        assert 0 < one.count <= one.offered
        assert one.asked != one.answered


def test_a_drawing_is_stored_once(tmp_path: Path) -> None:
    drawings, ink = GalleryInk(), torch.arange(3 * 4, dtype=torch.uint8).reshape(3, 2, 2)
    assert [drawings.add(ink, index) for index in (2, 0, 2, 1)] == [0, 1, 0, 2]
    drawings.save(tmp_path)
    with np.load(tmp_path / GALLERY) as file:
        assert (file["ink"] == ink[[2, 0, 1]].numpy()).all()
    assert [path.name for path in tmp_path.iterdir()] == [GALLERY]
