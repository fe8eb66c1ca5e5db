"""Omniglot's own figures, and copies that are not true."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from data.dataset import Dataset
from data.errors import DataError, DataUnavailable
from data.images.ink import read_ink
from data.sources.omniglot.facts import BACKGROUND, EVALUATION
from data.sources.omniglot.source import BACKGROUND_SETS, load_part, locate
from data.sources.request import Request
from data.sources.table import load

SMALL1 = BACKGROUND_SETS["small1"][1]
Entries = dict[str, bytes]


def archive(omniglot_root: Path, name: str = "images_background_small1") -> Path:
    return locate(name, Request(dataset="omniglot", root=omniglot_root, download=False))


@pytest.fixture(scope="module")
def entries(omniglot_root: Path) -> Entries:
    with zipfile.ZipFile(archive(omniglot_root)) as file:
        return {i.filename: file.read(i) for i in file.infolist() if not i.is_dir()}


def write_zip(path: Path, entries: Entries) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


class TestFigures:
    def test_counts(self, omniglot: Dataset) -> None:
        alphabets = {role: len(names) for role, names in omniglot.alphabets.items()}
        assert alphabets == {"train": 30, "validation": 10, "test": 10}
        train = omniglot.drawings.of_alphabets(omniglot.alphabets["train"])
        assert len(train) == 19_280
        assert len(torch.unique(train.character)) == 964
        assert len(omniglot.drawings) - len(train) == 13_180
        assert len(omniglot.drawings.character_names) - 964 == 659
        assert {len(v) for v in omniglot.drawers.values()} == {12, 4}

    def test_facts_agree_with_the_published_counts(self) -> None:
        assert sum(facts.characters for facts in BACKGROUND.values()) == 964
        assert sum(facts.characters for facts in EVALUATION.values()) == 659
        small = [
            sum(f.characters for f in BACKGROUND_SETS[k][1].values()) for k in ("small1", "small2")
        ]
        assert small == [136, 156]

    @pytest.mark.parametrize(("background", "characters"), [("small1", 136), ("small2", 156)])
    def test_small_background(self, omniglot_root: Path, background: str, characters: int) -> None:
        dataset = load("omniglot", omniglot_root, background=background, download=False, size=35)
        assert dataset.name == f"omniglot-{background}"
        assert len(dataset.drawings.of_alphabets(dataset.alphabets["train"])) == characters * 20

    def test_pixel_nearest_neighbour_gives_the_published_figure(self, omniglot: Dataset) -> None:
        runs = omniglot.official_runs
        assert runs is not None
        ink = omniglot.drawings.ink
        query = F.normalize(ink[runs.query].flatten(1).float(), dim=1)
        support = F.normalize(ink[runs.support[::20]].flatten(2).float(), dim=2)
        score = torch.einsum("rqp,rsp->rqs", query.view(20, 20, -1), support)
        right = score.argmax(2).flatten() == runs.answer
        assert float(right.float().mean()) == pytest.approx(0.2175)

    def test_a_drawing_passes_the_reader_of_any_picture_unchanged(self, entries: Entries) -> None:
        for name in list(entries)[::91]:
            grey = np.asarray(Image.open(io.BytesIO(entries[name])).convert("L"))
            assert np.array_equal(read_ink(entries[name], 105, name), 255 - grey)


class TestCopies:
    def test_repacked_in_another_order_and_format_passes(
        self, tmp_path: Path, own_cache: Path, entries: Entries, omniglot_root: Path
    ) -> None:
        def other_format(content: bytes) -> bytes:
            out = io.BytesIO()
            Image.open(io.BytesIO(content)).convert("L").save(out, "PNG")
            return out.getvalue()

        changed = {
            f"copy/{name}": other_format(content) if i % 10 == 0 else content
            for i, (name, content) in enumerate(reversed(list(entries.items())))
        }
        packed = load_part(write_zip(tmp_path / "small1.zip", changed), SMALL1)
        assert packed.digest == load_part(archive(omniglot_root), SMALL1).digest

    def test_extracted_passes(
        self, tmp_path: Path, own_cache: Path, entries: Entries, omniglot_root: Path
    ) -> None:
        for name, content in entries.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        (tmp_path / "images_background_small1" / ".DS_Store").write_bytes(b"leavings")
        found = locate(
            "images_background_small1",
            Request(dataset="omniglot", root=tmp_path, download=False),
        )
        assert found == tmp_path / "images_background_small1"
        assert load_part(found, SMALL1).digest == load_part(archive(omniglot_root), SMALL1).digest

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda e: e.pop(next(n for n in e if "Greek/character05" in n)),
             "Greek lacks 1 of 480 drawings, first character05 by drawer"),
            (lambda e: [e.pop(n) for n in list(e) if "/Korean/" in n],
             r"1 of 5 alphabets missing \(Korean\)"),
            (lambda e: e.update(swapped(e)),
             "the pixels of Latin differ"),
            (lambda e: e.update({"x/Klingon/character01/0001_01.png": next(iter(e.values()))}),
             r"do not belong there \(Klingon\)"),
            (lambda e: e.update({"x/Latin/character01/9999_01.png": next(iter(e.values()))}),
             "Latin/character01 has drawer 1 twice"),
            (lambda e: e.update({next(iter(e)): b"no image"}), "cannot be read as an image"),
        ],
    )  # fmt: skip
    def test_an_altered_copy_is_refused_with_what_is_wrong(
        self,
        tmp_path: Path,
        own_cache: Path,
        entries: Entries,
        change: Callable[[Entries], object],
        said: str,
    ) -> None:
        altered = dict(entries)
        change(altered)
        with pytest.raises(DataError, match=said):
            load_part(write_zip(tmp_path / "small1.zip", altered), SMALL1)
        assert not list(own_cache.rglob("*.npz"))

    def test_a_truncated_copy_is_refused(
        self, tmp_path: Path, own_cache: Path, omniglot_root: Path
    ) -> None:
        whole = archive(omniglot_root).read_bytes()
        half = tmp_path / "images_background_small1.zip"
        half.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match="not a whole zip archive"):
            load_part(half, SMALL1)

    def test_missing_runs_are_a_warning(
        self,
        tmp_path: Path,
        omniglot_root: Path,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def unreachable(*_: object) -> Path:
            raise DataUnavailable("no network here")

        monkeypatch.setattr("data.sources.omniglot.source.download", unreachable)
        for name in ("images_background_small1", "images_evaluation"):
            (tmp_path / f"{name}.zip").symlink_to(archive(omniglot_root, name))
        dataset = load("omniglot", tmp_path, background="small1", size=15)
        assert dataset.official_runs is None
        assert "runs are missing" in caplog.text


def swapped(entries: Entries) -> Entries:
    """Two drawings of one alphabet, each under the other's name."""
    one, other = [name for name in entries if "/Latin/" in name][:2]
    return {one: entries[other], other: entries[one]}
