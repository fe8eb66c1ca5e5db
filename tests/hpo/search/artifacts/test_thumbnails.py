from pathlib import Path

import torch
from PIL import Image

from hpo.search.artifacts.thumbnails import draw_answers, draw_history
from hpo.search.workers.worker import Job
from hpo.training.data import load_data
from model.net.siamese import SiameseNet
from tests.hpo.support import epoch_result as result


def test_pictures_are_drawn_of_anything(job: Job, tmp_path: Path) -> None:
    folder = tmp_path
    draw_history([result(1, 0.25, diverged=True)], 0.25, folder / "curve.png")
    inputs = load_data(job.run)
    space = job.run.config.space()
    net = SiameseNet(space.hyperparameters(space.initial_configurations[0]).architecture)
    with torch.no_grad():
        net.output.weight.fill_(float("nan"))
    draw_answers(net, inputs.validation.trials, folder / "answers.png")
    assert {path.name for path in folder.glob("*.png")} == {"curve.png", "answers.png"}


def test_the_pictures_are_small_and_clear(job: Job, tmp_path: Path) -> None:
    history = [result(epoch, 0.3 + epoch / 100) for epoch in range(1, 60)]
    draw_history(history, 0.25, tmp_path / "curve.png")
    inputs, space = load_data(job.run), job.run.config.space()
    net = SiameseNet(space.hyperparameters(space.initial_configurations[0]).architecture)
    draw_answers(net, inputs.validation.trials, tmp_path / "answers.png")
    for name in ("curve", "answers"):
        file = tmp_path / f"{name}.png"
        assert file.stat().st_size < 60_000
        with Image.open(file) as image:
            assert image.format == "PNG"
            assert image.width > 400
            assert len(image.convert("RGB").getcolors() or ()) > 5
