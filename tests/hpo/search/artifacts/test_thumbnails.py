from pathlib import Path

import pytest
import torch
from PIL import Image

from data.batches.one_shot import generate
from hpo.search.artifacts.thumbnails import draw_answers, draw_history
from model.net.siamese import SiameseNet
from tests.hpo.support import epoch_result as result
from tests.hpo.support import tiny_config, tiny_dataset


@pytest.mark.parametrize("weight", [0.1, float("nan")])
def test_trials_are_drawn_of_any_net(tmp_path: Path, weight: float) -> None:
    space = tiny_config().space()
    net = SiameseNet(space.hyperparameters(space.initial_configurations[0]).architecture)
    with torch.no_grad():
        net.output.weight.fill_(weight)
    drawings = tiny_dataset().drawings
    trials = generate(drawings, way=4, trials=20, variant="all_drawers", seed=0)
    draw_answers(net, trials, tmp_path / "trials.png")
    with Image.open(tmp_path / "trials.png") as picture:
        assert picture.width >= 520
        assert len(picture.convert("RGB").getcolors(1 << 16) or ()) > 3
    assert (tmp_path / "trials.png").stat().st_size < 60_000


@pytest.mark.parametrize("history", [[result(1, 0.25, diverged=True)], [result(1, 0.5)] * 40])
def test_a_curve_is_drawn_of_any_history(tmp_path: Path, history: list) -> None:
    draw_history(history, 0.25, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (640, 320)
    assert (tmp_path / "curve.png").stat().st_size < 60_000
