import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hpo.dashboard import guarded, serve
from hpo.search.artifacts.upload import keep_artifacts
from hpo.search.workers.worker import work
from hpo.study.errors import StudyError
from hpo.study.storage.location import StudyLocation
from model.training.epoch import EpochResult
from model.training.trainer import Trainer
from tests import ROOT
from tests.hpo.conftest import PAGE_SECONDS
from tests.hpo.support import tiny_job

REASON = f"no file {'/a/long/path' * 30}, {'and words ' * 20}"
FAILED, STOPPED, RETRY = 3, 4, 5


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudyLocation]:
    import hpo.training.data
    from tests.hpo.support import tiny_dataset

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hpo.training.data, "load", lambda **_: tiny_dataset())
        job = replace(tiny_job(tmp_path_factory.mktemp("dashboard"), 3), artifacts=keep_artifacts)
        work(job)
        raised: list[BaseException] = [ValueError(REASON), KeyboardInterrupt()]
        epoch = Trainer._epoch

        def fail(self: Trainer, number: int) -> EpochResult:
            if number == 1 and raised:
                raise raised.pop(0)
            return epoch(self, number)

        patch.setattr(Trainer, "_epoch", fail)
        with pytest.raises(KeyboardInterrupt):
            work(replace(job, total=4))
        work(replace(job, total=4))
        yield job.run.location


@pytest.fixture(scope="module")
def address(location: StudyLocation) -> Iterator[str]:
    server, address = serve(location, port=18080)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield address
    server.shutdown()
    server.server_close()


def until(browser: Any, script: str) -> Any:
    """Return what the script returns once that is something, within `PAGE_SECONDS`."""
    end = time.monotonic() + PAGE_SECONDS
    while not (found := browser.execute_script(script)):
        assert time.monotonic() < end, f"in vain: {script}"
        time.sleep(0.3)
    return found


def errors(browser: Any) -> list[str]:
    return [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def test_the_study_page_shows_its_plots(address: str, browser: Any) -> None:
    browser.get(address)
    # History, importances, timeline and learning curves, each with something drawn in it.
    until(browser, "return document.querySelectorAll('.js-plotly-plot .main-svg').length >= 8")
    until(browser, "return document.querySelectorAll('.js-plotly-plot .point').length > 3")
    until(browser, "return document.body.innerText.includes('one-shot validation accuracy')")
    assert not errors(browser)


def test_the_study_note_says_how_to_go_on(address: str, browser: Any) -> None:
    browser.get(f"{address}/note")
    until(browser, "return document.body.innerText.includes(' --study tiny')")
    until(browser, "return document.querySelectorAll('td').length > 20")
    assert not errors(browser)


def test_a_trial_page_shows_its_note_and_pictures(address: str, browser: Any) -> None:
    browser.get(f"{address}/trials?numbers=1")
    until(browser, "return document.body.innerText.includes('Trial 1: ')")
    until(browser, "return document.body.innerText.includes('conv2')")
    loaded = (
        "const shown = [...document.images].filter("
        "i => i.src.includes('/artifacts/') && i.complete && i.naturalWidth > 400);"
        "return shown.length >= 2"
    )
    until(browser, loaded)
    assert not errors(browser)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "conv2"),
        (FAILED, "ValueError: "),
        (STOPPED, f"starts anew as trial {RETRY}"),
        (RETRY, f"A retry of trial {STOPPED}"),
    ],
)
def test_a_trial_page_fits_its_window(address: str, browser: Any, number: int, words: str) -> None:
    size = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.get(f"{address}/trials?numbers={number}")
        until(browser, f"return document.body.innerText.includes('{words}')")
        until(browser, "return document.body.innerText.includes('User Attributes')")
        page = "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
        wide, shown = browser.execute_script(page)
        assert wide <= shown <= 1280
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_taken_port_gives_the_next(location: StudyLocation) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server, address = serve(location, port=port)
        server.server_close()
    assert f":{port}/" not in address
    assert server.server_address[1] > port


def test_no_study_is_an_error_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no study none"):
        serve(StudyLocation("none", tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_command_prints_its_address_and_stops_cleanly(location: StudyLocation) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hpo.dashboard", "--study", "tiny", "--out", str(location.out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    process.send_signal(signal.SIGINT)
    output, complaints = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "http://127.0.0.1:" in "".join(lines)
    assert output == "Stopped.\n"
    assert not complaints


def test_the_pictures_are_small(location: StudyLocation) -> None:
    files = [file for file in location.artifacts.iterdir() if file.is_file()]
    assert len(files) == 8
    for file in files:
        assert file.stat().st_size < 60_000
        with Image.open(file) as image:
            assert image.format == "PNG"


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        ({}, "GET", 200),
        ({"Host": "localhost:18080"}, "GET", 200),
        ({"Host": "[::1]:1"}, "GET", 200),
        ({"Host": "LOCALHOST"}, "GET", 200),
        ({"Host": "evil.example:18080"}, "GET", 403),
        ({"Host": "localhost.evil.example"}, "GET", 403),
        ({"Host": "192.0.2.1"}, "GET", 403),
        ({"Host": "[x"}, "GET", 403),
        ({"Host": ""}, "GET", 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, "DELETE", 403),
        ({"Host": "localhost:1", "Origin": "http://evil.example"}, "DELETE", 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:2"}, "POST", 403),
        ({"Host": "localhost:1", "Origin": "null"}, "PUT", 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, "DELETE", 500),
        ({}, "DELETE", 500),
    ],
)
def test_pages_from_elsewhere_change_and_see_nothing(
    address: str, headers: dict[str, str], method: str, status: int
) -> None:
    """A study that is there is asked for, one that is not there is deleted: let in, it fails."""
    number = 1 if method == "GET" else 999
    connection = http.client.HTTPConnection(address.split("/")[2])
    connection.request(method, f"/api/studies/{number}", headers=headers)
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    assert answer.status == status, said
    if status == 403:
        assert said.startswith(b"Refused: ")


def test_an_open_server_is_asked_for_by_addresses_and_its_machine_s_names() -> None:
    def status(host: str) -> str:
        said: list[str] = []
        guarded(lambda environ, start: start("200 OK", []), "0.0.0.0")(
            {"HTTP_HOST": host, "REQUEST_METHOD": "GET"}, lambda code, _: said.append(code)
        )
        return said[0]

    for host in ("192.0.2.1:80", "[2001:db8::1]", socket.gethostname(), "localhost"):
        assert status(host) == "200 OK"
    assert status("evil.example") == "403 Forbidden"
