import io
import logging
import os
import random
from pathlib import Path

import numpy as np
import pytest

from data.files.sealed import DamagedFileError, SealedWriter, sealing, set_aside, unsealed

CONTENT = b"what was written " * 20


def seal(path: Path, content: bytes = CONTENT) -> Path:
    with sealing(path) as file:
        for start in range(0, len(content), 100):
            file.write(content[start : start + 100])
    return path


def read(path: Path, earlier: bytes | None = None) -> bytes:
    with unsealed(path, earlier) as file:
        return file.read()


def test_what_was_sealed_is_read(tmp_path: Path) -> None:
    for content in (CONTENT, b"", b"another"):
        assert read(seal(tmp_path / "file", content)) == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_byte_can_change(tmp_path: Path) -> None:
    path = seal(tmp_path / "file")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamagedFileError, match="SHA-256"):
            read(path, earlier=b"{")
    for content in (whole[:-1], whole + b"\0", whole[:20], b"", CONTENT):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError, match="SHA-256"):
            read(path, earlier=b"{")


def test_files_of_earlier_versions_are_known_by_how_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"{earlier}")
    assert read(path, earlier=b"{") == b"{earlier}"
    with pytest.raises(DamagedFileError):
        read(path)


def test_after_an_error_the_file_is_as_it_was(tmp_path: Path) -> None:
    path = seal(tmp_path / "file")

    def fail() -> None:
        with sealing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert read(path) == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_error_of_the_disk_is_the_one_that_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, os.strerror(28))

    init = SealedWriter.__init__
    monkeypatch.setattr(SealedWriter, "__init__", lambda self, _: init(self, Full()))
    import torch

    for save in (torch.save, lambda what, file: np.savez(file, what=what)):
        with pytest.raises(OSError, match="No space left on device"), sealing(tmp_path / "f") as to:
            save(torch.ones(3000), to)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_set_aside_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "file"
    for content in (b"one", b"two"):
        path.write_bytes(content)
        with caplog.at_level(logging.WARNING):
            set_aside(path, DamagedFileError("why"), "it starts anew")
        assert not path.exists()
        assert (tmp_path / "file.damaged").read_bytes() == content
    assert f"{path} is damaged (why) and kept as file.damaged; it starts anew" in caplog.text


def test_it_is_as_large_as_its_content_and_a_header(tmp_path: Path) -> None:
    content = random.Random(0).randbytes(300_000)
    assert seal(tmp_path / "file", content).stat().st_size == len(content) + 40
