"""Zip archives that mean harm, or came to harm."""

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.files.archives import read_zip
from tests.data.conftest import damaged, fuzz_examples


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], deflate: bool = True) -> bytes:
    out = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, content in entries:
            archive.writestr(name, content, how)
    return out.getvalue()


def read(tmp_path: Path, content: bytes, **limits: int) -> dict[str, bytes]:
    path = tmp_path / "some.zip"
    path.write_bytes(content)
    return dict(read_zip(path, **limits))


def test_reads_what_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(("a/", b""), ("a/x.png", b"1"), ("a/y.txt", b"2"), ("z.png", b"3")))
    assert dict(read_zip(path)) == {"a/x.png": b"1", "a/y.txt": b"2", "z.png": b"3"}
    assert dict(read_zip(path, lambda name: name.endswith(".txt"))) == {"a/y.txt": b"2"}


def test_names_are_labels_and_nothing_is_written(tmp_path: Path) -> None:
    names = ["../x.png", "/etc/x.png", "C:/x.png", "a/../../y.png"]
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    found = read(folder, zipped(*((name, name.encode()) for name in names)))
    assert found == {name: name.encode() for name in names}
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["some.zip"]


def test_an_archive_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "some file")

    content = zipped(("x.png", b"1"))
    monkeypatch.setattr(zipfile, "ZipFile", forbidden)
    with pytest.raises(DataError, match=r"some\.zip: cannot be read: Permission denied$"):
        read(tmp_path, content)


def test_encrypted(tmp_path: Path) -> None:
    content = bytearray(zipped(("x.png", b"1")))
    directory = content.index(b"PK\1\2")
    content[6] |= 1
    content[directory + 8] |= 1
    with pytest.raises(DataError, match="encrypted"):
        read(tmp_path, bytes(content))


def test_limits(tmp_path: Path) -> None:
    content = zipped(("a", bytes(1000)), ("b", bytes(1000)))
    with pytest.raises(DataError, match="'a' has 1,000 bytes; at most 999"):
        read(tmp_path, content, max_entry_bytes=999)
    with pytest.raises(DataError, match="2,000 bytes unpacked; at most 1,999"):
        read(tmp_path, content, max_total_bytes=1999)
    with pytest.raises(DataError, match="2 entries; at most 1"):
        read(tmp_path, content, max_entries=1)
    assert len(read(tmp_path, content, max_entries=2, max_total_bytes=2000)) == 2


def test_a_list_of_a_million_names_is_refused_before_it_is_read(tmp_path: Path) -> None:
    content = zipped(("a", b"x"))
    start = content.index(b"PK\1\2")
    end = content.index(b"PK\5\6")
    entry = content[start:end] * 1_000_000
    tail = bytearray(content[end:])
    tail[12:16] = len(entry).to_bytes(4, "little")
    (tmp_path / "many.zip").write_bytes(content[:start] + entry + tail)
    tracemalloc.start()
    with pytest.raises(DataError, match="at most 100,000 entries are read"):
        list(read_zip(tmp_path / "many.zip", max_entries=100_000))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10_000_000


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    content = zipped(("bomb", bytes(100_000_000)))
    assert len(content) < 200_000
    with pytest.raises(DataError, match="100,000,000 bytes"):
        read(tmp_path, content)


def test_an_entry_that_holds_more_than_it_declares(tmp_path: Path) -> None:
    content = bytearray(zipped(("bomb", bytes(1_000_000))))
    directory = content.index(b"PK\1\2")
    for place in (22, directory + 24):
        struct.pack_into("<I", content, place, 10)
    with pytest.raises(DataError, match="bomb"):
        read(tmp_path, bytes(content))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_cut_off(tmp_path: Path, share: float) -> None:
    whole = zipped(*((f"{i}.png", bytes(range(256))) for i in range(20)))
    with pytest.raises(DataError, match=r"some\.zip: not a whole zip archive"):
        read(tmp_path, whole[: int(len(whole) * share)])


def test_an_altered_byte(tmp_path: Path) -> None:
    content = bytearray(zipped(("x.png", b"payload" * 9), deflate=False))
    content[content.index(b"payload") + 3] ^= 1
    with pytest.raises(DataError, match=r"x\.png is damaged"):
        read(tmp_path, bytes(content))


def test_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.zip"):
        dict(read_zip(tmp_path / "gone.zip"))


SEEDS = [
    zipped(("a/b.png", b"content" * 20), ("a/c.png", bytes(500))),
    zipped(("a/b.png", b"content" * 20), ("d", b""), deflate=False),
]


@settings(max_examples=fuzz_examples(), suppress_health_check=list(HealthCheck))
@given(st.one_of(damaged(SEEDS), st.binary(max_size=200)))
@pytest.mark.filterwarnings("ignore")
def test_fuzz_gives_files_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    try:
        files = read(tmp_path, content, max_total_bytes=1_000_000)
    except DataError:
        return
    assert sum(map(len, files.values())) <= 1_000_000
