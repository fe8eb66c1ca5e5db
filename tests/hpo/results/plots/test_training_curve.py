from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

import hpo.results.plots.style
from hpo.results.metrics import SeedFit
from hpo.results.plots.training_curve import draw_curve


def seed_fit(seed: int, epochs: int) -> SeedFit:
    row = {"loss": None, "one_shot_accuracy": 0.5}
    return SeedFit(
        seed=seed,
        epochs=epochs,
        best_epoch=1,
        validation_accuracy=0.5,
        verification_threshold=0.5,
        pairs_seen=128,
        seconds=1,
        history=[{**row, "pairs_seen": 1000 * i} for i in range(1, epochs + 1)],
    )


@pytest.mark.parametrize("epochs", [1, 5])
def test_every_seed_has_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    drawn: list[Figure] = []
    save = hpo.results.plots.style.save

    def kept(figure: Figure, path: Path) -> None:
        drawn.append(figure)
        save(figure, path)

    monkeypatch.setattr(hpo.results.plots.style, "save", kept)
    draw_curve([seed_fit(i, epochs) for i in range(9)], tmp_path / "c.png", "Study x", 0.05)
    assert [path.name for path in tmp_path.iterdir()] == ["c.png"]
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.format == "PNG"
    loss, accuracy = drawn[0].axes
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == [*(f"seed {i}" for i in range(9)), "best epoch, kept", "chance"]
    assert loss.get_title() == "Study x"
    # A legend within the axes may cover what is drawn.
    assert not loss.get_legend()
    assert not accuracy.get_legend()
