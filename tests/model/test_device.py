import pytest
import torch

from model.device import described, device_named
from model.errors import DeviceError


def test_auto_is_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, name in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert device_named("auto") == name
    assert device_named("cpu") == "cpu"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_gpu_that_is_not_there_is_refused(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    for index, name in enumerate(("cuda:0", "cuda:1", "cuda:2")):
        if index < count:
            assert device_named(name) == name
        else:
            with pytest.raises(DeviceError, match=f"--device {name}: .* {count} CUDA GPUs"):
                device_named(name)


def test_a_device_is_described_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert described("cpu") == f"CPU, {torch.get_num_threads()} threads"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"the card {device}")
    assert described("cuda:1") == "the card cuda:1"


@pytest.mark.parametrize("name", ["gpu", "mps", "meta", "", "cuda:x", "CPU"])
def test_other_devices_are_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(DeviceError, match="auto, cpu, cuda or cuda:N"):
        device_named(name)
