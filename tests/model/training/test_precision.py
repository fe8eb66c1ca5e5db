from typing import Any

import pytest
import torch

from model.hyperparameters import Recipe
from model.net.siamese import SiameseNet
from model.training.precision import computes_bf16, set_precision
from tests.model.support import TINY, tiny_hyperparameters, tiny_trainer


def test_bf16_and_fp32_agree_within_noise() -> None:
    """What precision changes is less than what another seed does."""
    runs = {
        name: list(tiny_trainer(tiny_hyperparameters(precision=name), epochs=6).epochs())
        for name in ("fp32", "bf16")
    }
    for single, half in zip(runs["fp32"], runs["bf16"]):
        assert half.loss == pytest.approx(single.loss, abs=0.03)
        assert half.one_shot_accuracy == pytest.approx(single.one_shot_accuracy, abs=0.2)


def test_what_is_named_is_used_and_auto_is_what_the_device_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu = torch.device("cpu")
    for able in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda able=able: able)
        assert computes_bf16(cpu) is able
        expected: dict[Any, bool] = {"fp32": False, "bf16": True, "auto": able}
        for precision, used in expected.items():
            net = SiameseNet(TINY)
            set_precision(net, Recipe(precision=precision), cpu)
            assert net.bf16 is used


@pytest.mark.parametrize(("device", "as_product"), [("cpu", False), ("cuda", True)])
def test_a_net_is_set_for_its_device(device: str, as_product: bool) -> None:
    net = SiameseNet(TINY)
    set_precision(net, Recipe(precision="bf16"), torch.device(device))
    assert (net.bf16, net.conv1_as_product) == (True, as_product)
