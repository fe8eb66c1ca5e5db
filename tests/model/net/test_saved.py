import json
from pathlib import Path

import pytest
import torch

from model.errors import ModelError
from model.hyperparameters import Architecture
from model.net.calibration import Calibration
from model.net.saved import CONFIG, WEIGHTS, SavedNet, load_net, save_net
from model.net.siamese import SiameseNet

SHAPE = {"image_size": 16, "filters": (4, 6), "kernel_sizes": (3, 3), "poolings": 1, "units": 16}


PLAIN = Architecture(**SHAPE)  # type: ignore[arg-type]


OTHER = Architecture(
    **SHAPE,  # type: ignore[arg-type]
    normalisation="batch",
    head="cosine",
    embedding="identity",
    padding="same",
    dropout=0.5,
    centred=True,
)


@pytest.fixture(params=[PLAIN, OTHER], ids=["paper", "other"])
def net(request: pytest.FixtureRequest) -> SiameseNet:
    net = SiameseNet(request.param, torch.Generator().manual_seed(1))
    with torch.no_grad():
        net(*torch.rand(2, 8, 1, 16, 16))  # batch normalisation learns from it
        net.eval()
        # Scores that differ from pair to pair: a net that sees nothing would agree with anything.
        a, b = torch.rand(2, 8, 1, 16, 16)
        logits = net(a, b) - net.output.bias
        net.output.weight.div_(logits.std())
        net.output.bias.copy_(-logits.mean() / logits.std())
    return net


def test_a_net_comes_back_as_it_was(net: SiameseNet, tmp_path: Path) -> None:
    calibration = Calibration(shift=92.125, scale=0.1)
    save_net(tmp_path, SavedNet(net=net, calibration=calibration, provenance={"study": "x"}))
    saved = load_net(tmp_path)
    assert saved.net.architecture == net.architecture
    assert (saved.calibration, saved.threshold) == (calibration, 0.5)
    assert (saved.provenance, saved.image_size) == ({"study": "x"}, 16)
    a, b = torch.rand(2, 5, 1, 16, 16)
    assert torch.equal(saved.net(a, b), net(a, b))


def test_a_net_of_an_earlier_version_has_a_threshold_alone(tmp_path: Path) -> None:
    save_net(tmp_path, SavedNet(net=SiameseNet(PLAIN), calibration=None, threshold=1.0))
    config = json.loads((tmp_path / CONFIG).read_text())
    assert sorted(config) == ["architecture", "format", "provenance", "verification_threshold"]
    saved = load_net(tmp_path)
    assert (saved.calibration, saved.threshold) == (None, 1.0)


def spoil(folder: Path, what: str) -> None:
    config = json.loads((folder / CONFIG).read_text())
    if what == "no config":
        (folder / CONFIG).unlink()
    elif what == "no weights":
        (folder / WEIGHTS).unlink()
    elif what == "cut off":
        (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-9])
    elif what == "pickle":
        torch.save({}, folder / WEIGHTS)
    elif what == "no json":
        (folder / CONFIG).write_text("{")
    elif what == "foreign":
        (folder / CONFIG).write_text(json.dumps({"format": "another"}))
    elif what.startswith("calibration="):
        config["calibration"] = json.loads(what.partition("=")[2])
        (folder / CONFIG).write_text(json.dumps(config))
    else:
        key, value = what.split("=")
        config["architecture"][key] = json.loads(value)
        (folder / CONFIG).write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("no config", "config.json cannot be read"),
        ("no weights", "model.safetensors cannot be read"),
        ("cut off", "damaged"),
        ("pickle", "no safetensors"),
        ("no json", "not JSON"),
        ("foreign", "not of this project"),
        ("units=17", "does not fit"),
        ("units=1000000000000", "does not fit|no net can be built"),
        ("units=-1", "no net can be built|does not fit"),
        ('filters="many"', "no net can be built"),
        ("colour=1", "unknown key colour"),
        ("calibration=null", "calibration is None"),
        ("calibration=2", "calibration is 2"),
        ('calibration={"shift": 1}', "scale"),
        ('calibration={"shift": 1, "scale": 0}', "scale above 0"),
        ('calibration={"shift": NaN, "scale": 1}', "finite"),
        ('calibration={"shift": "low", "scale": 1}', "calibration is"),
        ('calibration={"shift": 1, "scale": 1, "level": 1}', "level"),
    ],
)
def test_a_spoilt_net_is_one_message(tmp_path: Path, what: str, words: str) -> None:
    save_net(tmp_path, SavedNet(net=SiameseNet(PLAIN)))
    spoil(tmp_path, what)
    with pytest.raises(ModelError, match=words):
        load_net(tmp_path)
