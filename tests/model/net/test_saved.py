import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from model.errors import ModelError
from model.net.calibration import Calibration
from model.net.saved import CONFIG, WEIGHTS, SavedNet, load_net, save_net
from model.net.siamese import SiameseNet
from tests.model.net.conftest import PLAIN


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
    elif what == "not a number":
        weights = load((folder / WEIGHTS).read_bytes())
        weights["convolutions.0.weight"][0] = torch.nan
        (folder / WEIGHTS).write_bytes(save(weights))
    else:
        key, value = what.split("=")
        section = config if key.startswith(".") else config["architecture"]
        section[key.removeprefix(".")] = json.loads(value)
        (folder / CONFIG).write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("no config", "config.json cannot be read"),
        ("no weights", "model.safetensors cannot be read"),
        ("cut off", "damaged"),
        ("not a number", "not finite"),
        ("pickle", "no safetensors"),
        ("no json", "not JSON"),
        ("foreign", "not of this project"),
        ("units=17", "does not fit"),
        ("units=1000000000000", "architecture.units = 1000000000000: .* or equal to 16384"),
        ("units=-1", "architecture.units = -1"),
        ("units=true", "architecture.units = True"),
        ("units=16.0", "architecture.units = 16.0"),
        ("dropout=NaN", "architecture.dropout = nan"),
        ("dropout=1", "architecture.dropout = 1"),
        ('embedding="softmax"', "architecture.embedding = 'softmax'"),
        ('filters="many"', "architecture.filters = 'many'"),
        ("kernel_sizes=[400, 3]", r"architecture.kernel_sizes.0 = 400"),
        ("kernel_sizes=[31, 31]", "no net can be built"),
        (f"filters={[4] * 7}", "architecture.filters = .* at most 6 items"),
        ("colour=1", "architecture.colour = 1"),
        (".verification_threshold=7", "verification_threshold = 7"),
        (".provenance=null", "provenance = None"),
        (".calibratoin={}", "calibratoin"),
        (".calibration=null", "calibration = None"),
        (".calibration=2", "calibration = 2"),
        ('.calibration={"shift": 1}', "scale"),
        ('.calibration={"shift": 1, "scale": 0}', "greater than 0"),
        ('.calibration={"shift": NaN, "scale": 1}', "finite"),
        ('.calibration={"shift": "low", "scale": 1}', "calibration.shift = 'low'"),
        ('.calibration={"shift": 1, "scale": 1, "level": 1}', "level"),
    ],
)
def test_a_spoilt_net_is_one_message(tmp_path: Path, what: str, words: str) -> None:
    save_net(tmp_path, SavedNet(net=SiameseNet(PLAIN)))
    spoil(tmp_path, what)
    with pytest.raises(ModelError, match=words):
        load_net(tmp_path)


EDITS = (None, True, 0, -1, 2.5, 10**30, "x", [], {}, [1], {"a": 1}, "NaN", "-Infinity", "1e999")


def test_every_edit_of_a_config_is_a_net_or_one_message(tmp_path: Path) -> None:
    """Each value in turn removed, and replaced by each of the `EDITS`."""
    save_net(tmp_path, SavedNet(net=SiameseNet(PLAIN)))
    config = json.loads((tmp_path / CONFIG).read_text())
    places = [(config, key) for key in config]
    places += [(config[section], key) for section in ("architecture", "calibration")
               for key in config[section]]  # fmt: skip
    for section, key in places:
        kept = section.pop(key)
        for edit in ("removed", *EDITS):
            if edit != "removed":
                section[key] = edit
            text = json.dumps(config)
            if isinstance(edit, str):
                text = text.replace(f'"{edit}"', edit)  # what JSON itself has no word for
            (tmp_path / CONFIG).write_text(text)
            try:
                saved = load_net(tmp_path)
            except ModelError:
                continue
            saved.net(*torch.rand(2, 1, 1, saved.image_size, saved.image_size))
            assert 0 <= saved.threshold <= 1
        section[key] = kept
    (tmp_path / CONFIG).write_text(json.dumps(config))
    load_net(tmp_path)
