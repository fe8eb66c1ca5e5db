import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

import data.images.formats as formats_module
from data.dataset import Dataset
from data.sources.table import load


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this test run's own; filled once, used by all."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIAMESE_HPO_CACHE", str(folder))
        yield folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own."""
    monkeypatch.setenv("SIAMESE_HPO_CACHE", str(tmp_path / "own cache"))
    return tmp_path / "own cache"


@pytest.fixture(scope="session")
def glyphs(cache: Path) -> Dataset:
    return load("glyphs")


@pytest.fixture(scope="session")
def omniglot(omniglot_root: Path, cache: Path) -> Dataset:
    return load("omniglot", omniglot_root, download=False)


def write_folder(
    root: Path, characters: tuple[int, ...] = (6, 5, 5, 5, 3), drawers: int = 7
) -> Path:
    """Write a small data set of scribbles; the first alphabet is light on dark."""
    random = np.random.default_rng(0)
    for a, count in enumerate(characters):
        for c in range(count):
            folder = root / f"alphabet{a}" / f"character{c:02d}"
            folder.mkdir(parents=True)
            shape = random.random((8, 8)) > 0.8
            for d in range(drawers):
                ink = np.pad(np.kron(shape, np.ones((6, 6), bool)), random.integers(3, 9))
                grey = np.where(ink ^ (a == 0), 30, 220).astype(np.uint8)
                Image.fromarray(grey).save(folder / f"{d + 1:02d}.png")
    return root


@pytest.fixture(scope="session")
def scribbles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("scribbles"))


@pytest.fixture
def without_heif(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation without pillow-heif, whatever this one has."""
    monkeypatch.setattr(formats_module, "find_spec", lambda name: None)
    formats_module.formats.cache_clear()
    yield
    formats_module.formats.cache_clear()


def fuzz_examples() -> int:
    """How many inputs each fuzz test tries; ``FUZZ_EXAMPLES=100000`` for a long run."""
    return int(os.environ.get("FUZZ_EXAMPLES", "200"))


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """One of the files with bytes overwritten, cut out or put in."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 8))
        content[place : place + length] = draw(st.binary(max_size=8))
    return bytes(content)
