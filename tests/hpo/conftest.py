import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest
import torch
from onnx.helper import make_graph, make_model, make_node, make_tensor_value_info

import data.sources.table
import hpo.training.data
from hpo.search.workers.worker import Job
from tests.data.conftest import write_folder
from tests.hpo.support import tiny_dataset, tiny_job

# Threads that wait for each other cost more than they give in nets this small.
torch.set_num_threads(1)

_EXPORT = torch.onnx.export
PAGE_SECONDS = 90
"""For a page to be drawn, on a machine that does other things too."""


@pytest.fixture(autouse=True)
def tiny_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every study of these tests learns from the tiny data set, unless in another process."""
    monkeypatch.setattr(hpo.training.data, "load", lambda **_: tiny_dataset())


@pytest.fixture(autouse=True)
def no_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export a net of one node instead: the exporter takes longer than the rest of a tiny fit."""
    floats = onnx.TensorProto.FLOAT
    a, b = (make_tensor_value_info(name, floats, ["batch"]) for name in ("a", "b"))
    model = make_model(make_graph([make_node("Relu", ["a"], ["b"])], "stand-in", [a], [b]))
    stand_in = SimpleNamespace(model_proto=model)
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: stand_in)


@pytest.fixture
def real_onnx(no_onnx: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Export the nets themselves."""
    monkeypatch.setattr(torch.onnx, "export", _EXPORT)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """The work on a fresh tiny study."""
    return tiny_job(tmp_path)


@pytest.fixture
def real_loading(tiny_data: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the folder that is given, with a cache of this test's own."""
    monkeypatch.setattr(hpo.training.data, "load", data.sources.table.load)
    monkeypatch.setenv("SIAMESE_HPO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """A folder of the user's own, of three alphabets."""
    return write_folder(tmp_path / "letters", (6, 5, 5), 4)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser without a window; without one on this machine its tests are skipped."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium and chromedriver here, which CI must have")
        pytest.skip("no browser here: install chromium and chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    wanted = webdriver.ChromeOptions()
    wanted.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        wanted.add_argument(flag)
    wanted.add_argument("--window-size=1400,1600")
    wanted.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(wanted, Service(driver))
    opened.set_page_load_timeout(PAGE_SECONDS)
    yield opened
    opened.quit()
