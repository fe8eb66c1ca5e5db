import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from data.errors import DataError
from model.errors import ModelError
from model.evaluation.classifier import Classifier
from model.net.calibration import Calibration
from model.net.saved import SavedNet, save_net
from model.net.siamese import SiameseNet
from tests.model.support import SHAPES, alike, drawing


@pytest.mark.parametrize("level", [-60.0, 0.0, 100.0])
def test_ranks_by_logit_whatever_its_level(tmp_path: Path, support: Path, level: float) -> None:
    """A sigmoid of 100 is 1 for all classes: the first name would win."""
    folder = tmp_path / "drifted"
    save_net(
        folder, SavedNet(net=alike(level), calibration=Calibration(shift=level - 1, scale=2.0))
    )
    for shape in SHAPES:
        query = tmp_path / f"{shape}.png"
        drawing(shape, 100, 2).save(query)
        ranked = Classifier(folder, support).rank(query)
        assert ranked[0].name == shape
        assert len({one.similarity for one in ranked}) == len(SHAPES)
        logits = [one.logit for one in ranked]
        assert logits == sorted(logits, reverse=True)
        assert abs(logits[0] - level) < 20
        expected = torch.tensor([2 * (logit - level + 1) for logit in logits]).sigmoid()
        assert [one.similarity for one in ranked] == pytest.approx(expected.tolist(), abs=1e-4)


def test_an_old_threshold_is_where_a_half_is(tmp_path: Path, support: Path) -> None:
    folder = tmp_path / "old"
    save_net(folder, SavedNet(net=alike(), calibration=None, threshold=0.2))
    ranked = Classifier(folder, support).rank(support / "bar.png")
    shift = math.log(0.2 / 0.8)
    expected = [1 / (1 + math.exp(shift - one.logit)) for one in ranked]
    assert [one.similarity for one in ranked] == pytest.approx(expected)


def test_a_class_is_as_alike_as_its_images_on_average(model: Path, support: Path) -> None:
    query = support / "bar.png"
    both = {one.name: one.logit for one in Classifier(model, support).rank(query)}
    single = []
    for image in sorted((support / "ring").iterdir()):
        others = [each for each in (support / "ring").iterdir() if each != image]
        kept = [(each, each.read_bytes()) for each in others]
        for each in others:
            each.unlink()
        (found,) = (one for one in Classifier(model, support).rank(query) if one.name == "ring")
        single.append(found.logit)
        for each, content in kept:
            each.write_bytes(content)
    assert len(single) == 2
    assert single[0] != single[1]
    assert both["ring"] == pytest.approx(sum(single) / 2, rel=1e-5)


def test_a_class_of_many_images_is_embedded_in_parts(
    model: Path, support: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Classifier(model, support).rank(support / "bar.png")
    embedded, embed = [], SiameseNet.embed

    def counted(net: SiameseNet, images: torch.Tensor) -> torch.Tensor:
        embedded.append(len(images))
        return embed(net, images)

    monkeypatch.setattr(SiameseNet, "embed", counted)
    monkeypatch.setattr("model.evaluation.classifier.EMBED_BATCH", 1)
    parts = Classifier(model, support).rank(support / "bar.png")
    assert max(embedded) == 1
    assert [one.name for one in parts] == [one.name for one in whole]
    assert [one.logit for one in parts] == pytest.approx([one.logit for one in whole], rel=1e-5)


def test_equals_are_ranked_by_name(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "twins"
    folder.mkdir()
    for name in ("b", "c", "a"):
        drawing("ring").save(folder / f"{name}.png")
    ranked = Classifier(model, folder).rank(folder / "c.png")
    assert [one.name for one in ranked] == ["a", "b", "c"]
    assert len({one.logit for one in ranked}) == 1


def test_a_blank_query_is_refused_and_the_next_is_answered(
    model: Path, support: Path, tmp_path: Path
) -> None:
    classifier = Classifier(model, support)
    Image.new("L", (80, 80), 255).save(tmp_path / "blank.png")
    with pytest.raises(DataError, match=r"blank\.png: blank, no ink"):
        classifier.rank(tmp_path / "blank.png")
    assert classifier.rank(support / "bar.png")[0].name == "bar"


def test_scores_that_are_no_numbers_are_refused(tmp_path: Path, support: Path) -> None:
    net = alike()
    with torch.no_grad():
        net.output.weight.fill_(3e38)  # a sum of them is more than a float holds
    save_net(tmp_path / "broken", SavedNet(net=net))
    with pytest.raises(ModelError, match="fit it again"):
        Classifier(tmp_path / "broken", support).rank(support / "bar.png")
