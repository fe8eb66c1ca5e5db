"""Fetching from a server on this machine that behaves in every bad way."""

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import data.files.download
from data.errors import DataUnavailable
from data.files.download import download

CONTENT = bytes(range(256)) * 2000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves by path: /whole, /breaks (after half, twice), /no-ranges, /wrong, /404, /503-once,
    /moved (to /whole), /endless.
    """

    asked: list[tuple[str, str | None]]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        span = self.headers.get("Range")
        self.asked.append((self.path, span))
        times = sum(path == self.path for path, _ in self.asked)
        if self.path == "/404" or (self.path == "/503-once" and times == 1):
            self.send_error(404 if self.path == "/404" else 503)
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/whole")
            self.end_headers()
            return
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                while True:
                    self.wfile.write(CONTENT)
            return
        content = bytes(len(CONTENT)) if self.path == "/wrong" else CONTENT
        start = 0
        if span and self.path != "/no-ranges":
            start = int(span.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        rest = content[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        breaks = self.path in ("/breaks", "/no-ranges") and times <= 2
        with contextlib.suppress(ConnectionError):  # the client may hang up
            self.wfile.write(rest[: len(rest) // 2] if breaks else rest)


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def fetch(url: str, target: Path, md5: str | None = MD5, attempts: int = 4) -> Path:
    return download(url, target, md5, target.parent, attempts=attempts, pause=0.001, timeout=5)


def test_whole(server: str, tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "file.zip"
    assert fetch(f"{server}/whole", target) == target
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_goes_on_where_it_broke_off(server: str, tmp_path: Path) -> None:
    fetch(f"{server}/breaks", tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    half = len(CONTENT) // 2
    spans = [span for _, span in Handler.asked]
    assert spans == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_a_later_call_goes_on_too(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file.zip"
    with pytest.raises(DataUnavailable, match="256000 bytes read, 256000 more expected"):
        fetch(f"{server}/breaks", target, attempts=1)
    assert not target.exists()
    assert (tmp_path / "file.zip.part").stat().st_size == 256_000
    fetch(f"{server}/whole", target)
    assert Handler.asked[-1] == ("/whole", "bytes=256000-")
    assert target.read_bytes() == CONTENT


def test_begins_again_where_the_server_cannot_resume(server: str, tmp_path: Path) -> None:
    fetch(f"{server}/no-ranges", tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("stale", [CONTENT[:100][::-1], CONTENT + b"more", CONTENT])
def test_a_part_of_something_else(server: str, tmp_path: Path, stale: bytes) -> None:
    (tmp_path / "file.zip.part").write_bytes(stale)
    fetch(f"{server}/whole", tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_wrong_bytes(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=f"expected md5:{MD5} but got [0-9a-f]{{32}}"):
        fetch(f"{server}/wrong", tmp_path / "file.zip")
    assert not list(tmp_path.iterdir())
    assert len(Handler.asked) == 1


def test_without_a_known_md5(server: str, tmp_path: Path) -> None:
    fetch(f"{server}/wrong", tmp_path / "file.zip", md5=None)
    assert (tmp_path / "file.zip").stat().st_size == len(CONTENT)


def test_not_found_says_url_cause_and_way_by_hand(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable) as caught:
        fetch(f"{server}/404", tmp_path / "file.zip")
    for part in (f"{server}/404", "404", "by hand", str(tmp_path / "file.zip")):
        assert part in str(caught.value)
    assert len(Handler.asked) == 1
    assert not list(tmp_path.iterdir())


def test_a_server_out_of_breath_is_asked_again(server: str, tmp_path: Path) -> None:
    fetch(f"{server}/503-once", tmp_path / "file.zip")
    assert len(Handler.asked) == 2


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="refused") as error:
        fetch("http://127.0.0.1:9/file.zip", tmp_path / "file.zip", attempts=2)
    # In the words of the cause, not of the layers that passed it on.
    assert "could not be downloaded: Failed to establish a new connection" in str(error.value)
    assert "Pool" not in str(error.value)


def test_a_server_that_does_not_answer_is_said_in_plain_words(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # fills the queue of those who want to connect
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(deaf.getsockname())
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/file.zip"
        with pytest.raises(DataUnavailable) as error:
            download(url, tmp_path / "file.zip", None, tmp_path, attempts=1, timeout=0.2)
    assert "could not be downloaded: Connection to 127.0.0.1 timed out" in str(error.value)


def test_other_schemes(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="No connection adapters were found"):
        fetch("file:///etc/passwd", tmp_path / "file.zip", attempts=1)


def test_what_is_said_names_the_folder_where_the_file_was_sought(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=r"^file\.zip is not under typo, and http"):
        download("http://127.0.0.1:9/x", tmp_path / "file.zip", None, Path("typo"), attempts=1)


def test_certificates_that_are_not_there_are_not_a_folder_that_cannot_be_written(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no/such.pem")
    with pytest.raises(DataUnavailable, match=r"no/such\.pem") as error:
        fetch(server.replace("http", "https"), tmp_path / "file.zip")
    assert "cannot be written" not in str(error.value)


def test_nowhere_to_write(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataUnavailable, match="cannot be written"):
        fetch(f"{server}/whole", tmp_path / "file" / "file.zip")


@pytest.mark.parametrize("path", ["/whole", "/endless"])
def test_no_more_is_taken_than_the_limit(
    server: str, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data.files.download, "MAX_BYTES", len(CONTENT) - 1)
    with pytest.raises(DataUnavailable, match=r"more than 511,999 bytes"):
        fetch(f"{server}{path}", tmp_path / "file.zip")
    assert not list(tmp_path.iterdir())
    assert len(Handler.asked) == 1


def test_a_part_is_resumed_where_the_server_redirects(server: str, tmp_path: Path) -> None:
    (tmp_path / "file.zip.part").write_bytes(CONTENT[:1000])
    fetch(f"{server}/moved", tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert Handler.asked == [("/moved", "bytes=1000-"), ("/whole", "bytes=1000-")]


def test_several_at_once_download_it_once(server: str, tmp_path: Path) -> None:
    found: list[Path] = []

    def work() -> None:
        found.append(fetch(f"{server}/whole", tmp_path / "file.zip"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "file.zip"] * 4
    assert len(Handler.asked) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "file.zip"]
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_by_the_environments_proxy(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server)
    monkeypatch.setenv("no_proxy", "")
    fetch("http://nowhere.invalid/file.zip", tmp_path / "file.zip")
    assert Handler.asked == [("http://nowhere.invalid/file.zip", None)]
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
