import pytest
import torch

from model.device import device_named
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


@pytest.mark.parametrize("name", ["gpu", "mps", "meta", "", "cuda:x", "CPU"])
def test_other_devices_are_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(DeviceError, match="auto, cpu, cuda or cuda:N"):
        device_named(name)
