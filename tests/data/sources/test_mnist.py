import gzip
import os
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import data.sources.mnist
from data.batches.one_shot import generate
from data.errors import DataError, DataUnavailable
from data.sources.mnist import DIGITS, IMAGES, LABELS, load_mnist, resized
from tests.data.conftest import damaged, fuzz_examples


def write(root: Path, count: int = 60, packed: bool = False) -> tuple[bytes, bytes]:
    """Write a small MNIST and return the content of its two files."""
    pixels = torch.randint(0, 256, (count * 28 * 28,), dtype=torch.uint8).numpy().tobytes()
    images = b"\0\0\x08\x03" + struct.pack(">3I", count, 28, 28) + pixels
    labels = b"\0\0\x08\x01" + struct.pack(">I", count) + bytes(i % 10 for i in range(count))
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((IMAGES, images), (LABELS, labels)):
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return images, labels


@pytest.mark.parametrize("packed", [False, True])
def test_reads_what_was_written(tmp_path: Path, packed: bool) -> None:
    images, _ = write(tmp_path, packed=packed)
    digits = load_mnist(tmp_path)
    assert (len(digits), digits.size) == (60, 28)
    assert digits.character.tolist() == sorted(list(range(10)) * 6)
    # The second 0 was the eleventh image.
    start = 16 + 10 * 784
    assert bytes(digits.ink[1].flatten().tolist()) == images[start : start + 784]
    assert digits.drawer[:7].tolist() == [1, 2, 3, 4, 5, 6, 1]


def test_trials_offer_every_digit_once(tmp_path: Path) -> None:
    write(tmp_path)
    trials = generate(load_mnist(tmp_path), way=DIGITS, trials=50, variant="all_drawers", seed=0)
    character = trials.drawings.character
    assert trials.way == DIGITS
    assert (character[trials.support].sort(1).values == torch.arange(10)).all()
    right = trials.support.gather(1, trials.answer[:, None]).squeeze(1)
    assert (character[right] == character[trials.query]).all()
    assert (right != trials.query).all()


@pytest.mark.parametrize("size", [16, 28, 35, 105])
def test_resized(tmp_path: Path, size: int) -> None:
    write(tmp_path)
    digits = load_mnist(tmp_path)
    assert resized(digits, size).ink.shape == (60, size, size)
    assert resized(digits, size).ink.dtype == torch.uint8


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:3],
        lambda content: b"\x1f\x8b" + content,
        lambda content: content[:4] + struct.pack(">3I", 2**31, 28, 28) + content[16:],
        lambda content: content[:4] + struct.pack(">3I", 60, 56, 14) + content[16:],
        lambda content: content[:4] + struct.pack(">3I", 0, 28, 28),
        lambda content: b"\0\0\x0d\x03" + content[4:],
        lambda content: b"",
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    images, _ = write(tmp_path)
    path = tmp_path / "MNIST" / "raw" / IMAGES
    path.write_bytes(damage(images))
    with pytest.raises(DataError, match=r"get (it|both) again"):
        load_mnist(tmp_path)


def test_of_a_packed_bomb_no_more_is_unpacked_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, packed=True)
    monkeypatch.setattr(data.sources.mnist, "MAX_BYTES", 20_000)
    with pytest.raises(DataError, match="get it again"):
        load_mnist(tmp_path)


SEEDS = [
    b"\0\0\x08\x03" + struct.pack(">3I", 2, 28, 28) + bytes(2 * 28 * 28),
    b"\0\0\x08\x03" + struct.pack(">3I", 1, 2, 2) + bytes(4),
]


@settings(max_examples=fuzz_examples(), suppress_health_check=list(HealthCheck))
@given(st.one_of(damaged(SEEDS), st.binary(max_size=40)))
def test_fuzz_gives_digits_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, count=2)
    (tmp_path / "MNIST" / "raw" / IMAGES).write_bytes(content)
    try:
        digits = load_mnist(tmp_path)
    except DataError:
        return
    assert digits.ink.shape == (2, 28, 28)


def test_a_file_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "some file")

    write(tmp_path, packed=True)
    monkeypatch.setattr(gzip, "open", forbidden)
    with pytest.raises(DataError, match=r"ubyte\.gz: cannot be read: Permission denied$"):
        load_mnist(tmp_path)


def test_a_cut_off_archive_is_refused(tmp_path: Path) -> None:
    write(tmp_path, packed=True)
    path = tmp_path / "MNIST" / "raw" / f"{IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="damaged"):
        load_mnist(tmp_path)


def test_files_of_two_sets_are_refused(tmp_path: Path) -> None:
    write(tmp_path, 60)
    path = tmp_path / "MNIST" / "raw" / LABELS
    labels = path.read_bytes()
    write(tmp_path, 70)
    path.write_bytes(labels)
    with pytest.raises(DataError, match="do not fit"):
        load_mnist(tmp_path)


def test_missing_and_not_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(url: str, target: Path, md5: str, sought: Path) -> Path:
        raise DataUnavailable(f"{url} could not be downloaded; put it at {target}")

    monkeypatch.setattr(data.sources.mnist, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr(data.sources.mnist, "download", unreachable)
    with pytest.raises(DataUnavailable, match=rf"put it at .*cache/MNIST/raw/{IMAGES}\.gz"):
        load_mnist(tmp_path)


def test_the_true_test_set() -> None:
    root = Path(os.environ.get("OMNIGLOT_ROOT", "."))
    if not (root / "MNIST" / "raw" / IMAGES).exists():
        pytest.skip("MNIST is not at hand")
    digits = load_mnist(root)
    assert digits.character.bincount().tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    ]
