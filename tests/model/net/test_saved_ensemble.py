import json
import os
from pathlib import Path

import pytest
import torch

from model.errors import ModelError
from model.net.calibration import Calibration
from model.net.ensemble import Ensemble
from model.net.saved import CONFIG, WEIGHTS, SavedNet, load_net, save_net
from model.net.saved_ensemble import (
    ENSEMBLE,
    MEMBERS,
    SavedEnsemble,
    load_answering,
    load_ensemble,
    remove_ensemble,
    save_ensemble,
)
from model.net.siamese import SiameseNet
from tests.model.net.conftest import OTHER, PLAIN
from tests.model.net.test_ensemble import CALIBRATIONS, nets


def saved(seeds: tuple[int, ...] = (0, 500_001, 2)) -> SavedEnsemble:
    return SavedEnsemble(
        net=Ensemble(nets(number=len(seeds)), CALIBRATIONS[: len(seeds)]),
        seeds=seeds,
        calibration=Calibration(shift=0.25, scale=1.5),
        provenance={"study": "x"},
    )


@torch.no_grad()
def answers(net: Ensemble) -> torch.Tensor:
    a, b = torch.rand(2, 5, 1, 16, 16, generator=torch.Generator().manual_seed(3))
    return net.score(net.embed(a), net.embed(b))


def test_an_ensemble_comes_back_as_it_was(tmp_path: Path) -> None:
    save_ensemble(tmp_path, made := saved())
    back = load_ensemble(tmp_path)
    assert (back.seeds, back.calibration, back.provenance, back.image_size) == (
        (0, 500_001, 2),
        made.calibration,
        {"study": "x"},
        16,
    )
    assert torch.equal(answers(back.net), answers(made.net))
    assert not back.net.training
    # Each member is a net of its own, too.
    member = load_net(tmp_path / MEMBERS / "seed-500001")
    assert (member.calibration, member.provenance) == (
        CALIBRATIONS[1],
        {"study": "x", "seed": 500_001},
    )


def test_no_member_of_an_earlier_ensemble_is_left(tmp_path: Path) -> None:
    save_ensemble(tmp_path, saved())
    save_ensemble(tmp_path, saved((7, 8)))
    assert sorted(one.name for one in (tmp_path / MEMBERS).iterdir()) == ["seed-7", "seed-8"]
    assert load_ensemble(tmp_path).seeds == (7, 8)
    remove_ensemble(tmp_path)
    remove_ensemble(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_ensemble_answers_where_there_is_one(tmp_path: Path) -> None:
    save_net(tmp_path, SavedNet(net=nets()[0]))
    assert isinstance(load_answering(tmp_path), SavedNet)
    save_ensemble(tmp_path, saved())
    assert isinstance(load_answering(tmp_path), SavedEnsemble)
    assert isinstance(load_answering(tmp_path, single=True), SavedNet)
    # A damaged one is no reason to answer with another net than usual.
    (tmp_path / ENSEMBLE).write_text("{")
    with pytest.raises(ModelError, match=r"json is damaged.*fit again, or .* with --single"):
        load_answering(tmp_path)
    assert isinstance(load_answering(tmp_path, single=True), SavedNet)
    (tmp_path / WEIGHTS).write_bytes(b"{")
    with pytest.raises(ModelError, match=r"safetensors is damaged.*; run the final fit again$"):
        load_answering(tmp_path, single=True)


def test_a_folder_that_is_none_is_one_message(tmp_path: Path) -> None:
    for name in ("none", "x" * 5000):
        with pytest.raises(ModelError, match=r"cannot be read.*--model names a folder"):
            load_answering(tmp_path / name)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("no weights", r"seed-0/model\.safetensors cannot be read"),
        ("no member", r"seed-2/config\.json cannot be read"),
        ("other", "ensemble is damaged: the nets of an ensemble have one architecture"),
        ("old", "seed-2 is not calibrated"),
        ("pipe", "pipe or device, not a file"),
        ("seeds=[]", r"seeds = \[\]"),
        ("seeds=[0, -1]", r"seeds.1 = -1"),
        ("seeds=[0, 2, 0]", r"seeds = \[0, 2, 0\].* twice"),
        ('seeds=["../x"]', r"seeds.0 = '../x'"),
        ("calibration=null", "calibration = None"),
        ('calibration={"shift": 1, "scale": 0}', "greater than 0"),
        ("format=1", "not of this project"),
        ("colour=1", "colour = 1"),
    ],
)
@pytest.mark.timeout(20)
def test_a_spoilt_ensemble_is_one_message(tmp_path: Path, what: str, words: str) -> None:
    save_ensemble(tmp_path, saved())
    last = tmp_path / MEMBERS / "seed-2"
    if what == "no weights":
        (tmp_path / MEMBERS / "seed-0" / WEIGHTS).unlink()
    elif what == "no member":
        (last / CONFIG).unlink()
    elif what == "other":
        save_net(last, SavedNet(net=SiameseNet(OTHER)))
    elif what == "old":
        save_net(last, SavedNet(net=SiameseNet(PLAIN), calibration=None))
    elif what == "pipe":
        (tmp_path / ENSEMBLE).unlink()
        os.mkfifo(tmp_path / ENSEMBLE)
    else:
        record = json.loads((tmp_path / ENSEMBLE).read_text())
        key, value = what.split("=")
        record[key] = json.loads(value)
        (tmp_path / ENSEMBLE).write_text(json.dumps(record))
    with pytest.raises(ModelError, match=words):
        load_ensemble(tmp_path)
