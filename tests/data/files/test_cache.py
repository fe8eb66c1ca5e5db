import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.files.cache import _save, cached
from data.files.packed import Packed, pack
from tests.data.files.test_packed import some


class Counting:
    """A build that counts how often it was needed."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Packed:
        self.times += 1
        return pack(some(), 9, binary=True)


class TestCache:
    def test_second_call_reads(self, own_cache: Path) -> None:
        build = Counting()
        first, second = (cached("x", "here", "now", build) for _ in range(2))
        assert build.times == 1
        assert first.digest == second.digest
        assert np.array_equal(first.rows, second.rows)
        assert first.character_names == second.character_names

    def test_a_new_state_replaces_the_old_file(self, own_cache: Path) -> None:
        build = Counting()
        for state in ("now", "later"):
            cached("x", "here", state, build)
        assert build.times == 2
        assert len(list(own_cache.rglob("*.npz"))) == 1

    @pytest.mark.parametrize("damage", ["cut", "empty", "noise", "flipped", "pickle"])
    def test_a_corrupt_file_is_set_aside_and_built_anew(
        self, own_cache: Path, damage: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        build = Counting()
        cached("x", "here", "now", build)
        (file,) = own_cache.rglob("*.npz")
        whole = file.read_bytes()
        middle = len(whole) // 12
        if damage == "pickle":
            np.savez(file, rows=np.array([{"an": "object"}], dtype=object))
        else:
            file.write_bytes(
                {
                    "cut": whole[: len(whole) // 2],
                    "empty": b"",
                    "noise": b"noise" * 100,
                    "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
                }[damage]
            )
        with caplog.at_level(logging.INFO, "data"):
            again = cached("x", "here", "now", build)
        assert build.times == 2
        assert again.digest == build().digest
        aside = f"{file.name}.damaged"
        assert aside in caplog.text
        assert [path.name for path in own_cache.rglob("*.damaged")] == [aside]
        cached("x", "here", "now", build)
        assert build.times == 3  # one by the line above, none by the cache

    @pytest.mark.parametrize("sealed", [True, False])
    def test_white_pixels_under_the_true_digest_are_refused(
        self, own_cache: Path, sealed: bool
    ) -> None:
        build = Counting()
        true = cached("x", "here", "now", build)
        (file,) = own_cache.rglob("*.npz")
        white = replace(true, rows=np.zeros_like(true.rows))
        if sealed:
            _save(file, white)
        else:
            with file.open("wb") as plain:
                np.savez(plain, **vars(white))
        assert np.array_equal(cached("x", "here", "now", build).rows, true.rows)
        assert build.times == 2

    def test_a_cache_that_cannot_be_written_is_no_cache(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("a file where the folder should be")
        monkeypatch.setenv("SIAMESE_HPO_CACHE", str(tmp_path / "file"))
        build = Counting()
        for _ in range(2):
            assert len(cached("x", "here", "now", build)) == 6
        assert build.times == 2

    @pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such rights here")
    def test_a_read_only_cache_is_no_cache(
        self, own_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own_cache.mkdir()
        own_cache.chmod(0o500)

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError("read-only")

        if os.geteuid() == 0:  # rights do not bind root
            monkeypatch.setattr("data.files.cache.sealing", refuse)
        assert len(cached("x", "here", "now", Counting())) == 6
        own_cache.chmod(0o700)
        assert not list(own_cache.rglob("*.npz"))
