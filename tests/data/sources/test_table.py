"""The contract of every data source, and how one is chosen."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from data.dataset import ROLES, Dataset
from data.errors import DataError, DataUnavailable
from data.sources.table import SOURCES, described, load

Reload = Callable[..., Dataset]
SOURCE_NAMES = (*SOURCES, "folder")


@pytest.fixture(params=SOURCE_NAMES, scope="module")
def source(request: pytest.FixtureRequest) -> tuple[Dataset, Reload]:
    """A loaded source, and how to load it again."""
    if request.param == "omniglot":
        dataset, root = (request.getfixturevalue(name) for name in ("omniglot", "omniglot_root"))
        return dataset, lambda **more: load("omniglot", root, download=False, **more)
    name = "glyphs" if request.param == "glyphs" else str(request.getfixturevalue("scribbles"))
    return load(name), lambda **more: load(name, **more)


class TestEverySource:
    def test_ink_is_bytes_of_square_drawings(self, source: tuple[Dataset, Reload]) -> None:
        drawings = source[0].drawings
        assert drawings.ink.dtype == torch.uint8
        assert drawings.ink.shape == (len(drawings), 105, 105)
        assert int(drawings.ink.max()) == 255

    def test_ids_name_everything(self, source: tuple[Dataset, Reload]) -> None:
        drawings = source[0].drawings
        for ids, names in (
            (drawings.alphabet, drawings.alphabet_names),
            (drawings.character, drawings.character_names),
        ):
            assert ids.dtype == torch.int64
            assert ids.shape == (len(drawings),)
            assert torch.unique(ids).tolist() == list(range(len(names)))
            assert len(set(names)) == len(names)
        assert int(drawings.drawer.min()) >= 1

    def test_a_character_belongs_to_one_alphabet(self, source: tuple[Dataset, Reload]) -> None:
        drawings = source[0].drawings
        pairs = {*zip(drawings.character.tolist(), drawings.alphabet.tolist())}
        assert len(pairs) == len(drawings.character_names)
        for character, alphabet in pairs:
            name = drawings.character_names[character]
            assert name.startswith(drawings.alphabet_names[alphabet] + "/")

    def test_a_drawer_draws_a_character_once(self, source: tuple[Dataset, Reload]) -> None:
        drawings = source[0].drawings
        made = {*zip(drawings.character.tolist(), drawings.drawer.tolist())}
        assert len(made) == len(drawings)

    def test_every_alphabet_has_one_role(self, source: tuple[Dataset, Reload]) -> None:
        dataset = source[0]
        assert set(dataset.alphabets) == set(ROLES)
        named = [name for role in ROLES for name in dataset.alphabets[role]]
        assert sorted(named) == sorted(dataset.drawings.alphabet_names)
        assert all(dataset.alphabets[role] for role in ROLES)

    def test_no_drawer_trains_and_validates(self, source: tuple[Dataset, Reload]) -> None:
        dataset = source[0]
        everyone = set(torch.unique(dataset.drawings.drawer).tolist())
        train, validation = (set(dataset.drawers[role]) for role in ("train", "validation"))
        if dataset.own:  # whose names tell no drawers, so that all share all
            assert train == validation == everyone
        else:
            assert not train & validation
            assert train | validation < everyone
        assert min(len(train), len(validation)) >= 2

    def test_ink_is_the_minority(self, source: tuple[Dataset, Reload]) -> None:
        share = (source[0].drawings.ink[::7] > 127).float().mean((1, 2))
        assert 0 < float(share.mean()) < 0.25
        assert float(share.max()) < 0.5

    def test_two_loads_are_the_same(self, source: tuple[Dataset, Reload]) -> None:
        dataset, reload = source
        again = reload()
        assert again.digest == dataset.digest
        assert again.alphabets == dataset.alphabets
        assert torch.equal(again.drawings.ink, dataset.drawings.ink)

    def test_a_reduced_load_is_the_reduction(self, source: tuple[Dataset, Reload]) -> None:
        dataset, reload = source
        small = reload(size=35)
        some = torch.arange(0, len(dataset.drawings), 37)
        expected = dataset.drawings.select(some).reduced(35).ink
        assert torch.equal(small.drawings.ink[some], expected)
        assert small.digest == dataset.digest


def unreachable(*_: object, **__: object) -> Path:
    raise DataUnavailable("no network here")


class TestChoosing:
    def test_auto_takes_omniglot_where_it_is(
        self, omniglot_root: Path, omniglot: Dataset, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert load("auto", omniglot_root, download=False, size=15).digest == omniglot.digest
        assert not caplog.records

    def test_auto_falls_back_to_glyphs_with_one_warning(
        self,
        tmp_path: Path,
        glyphs: Dataset,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr("data.sources.omniglot.source.download", unreachable)
        with caplog.at_level(logging.WARNING, "data"):
            dataset = load("auto", tmp_path, size=15)
        assert dataset.name == "glyphs"
        (record,) = caplog.records
        assert "glyphs" in record.getMessage()
        assert "OMNIGLOT_ROOT" in record.getMessage()
        assert "no network here" in record.getMessage()

    def test_auto_does_not_hide_a_damaged_omniglot(self, tmp_path: Path) -> None:
        (tmp_path / "images_background.zip").write_bytes(b"PK\3\4 half an archive")
        with pytest.raises(DataError, match=r"images_background\.zip"):
            load("auto", tmp_path, download=False)

    def test_missing_omniglot_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(DataUnavailable, match="put it there"):
            load("omniglot", tmp_path, download=False)

    def test_root_from_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMNIGLOT_ROOT", str(tmp_path / "there"))
        with pytest.raises(DataUnavailable, match="there"):
            load("omniglot", download=False)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (
                {"dataset": "omnigloth"},
                "'omnigloth' is unknown; allowed are auto, omniglot, glyphs",
            ),
            ({"background": "small3"}, "'small3' is unknown; allowed are full, small1, small2"),
            ({"root": Path("no/such")}, "no/such, where data sets should lie, is no folder"),
            ({"dataset": "glyphs", "size": 200}, "size 200"),
            ({"dataset": "glyphs", "size": 0}, "size 0"),
            ({"drawer_names": "guess"}, "'guess' is unknown; allowed are auto, names, rank"),
        ],
    )
    def test_what_is_not_there_is_refused(self, arguments: dict, said: str) -> None:
        with pytest.raises(DataError, match=said):
            load(**arguments)

    def test_nothing_is_fetched_when_all_is_there(
        self, omniglot_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("data.sources.omniglot.source.download", unreachable)
        assert (
            load("omniglot", omniglot_root, background="small1", size=15).official_runs is not None
        )


def test_a_data_set_is_described_with_its_source_and_nothing_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIAMESE_HPO_CACHE", str(tmp_path / "cache"))
    assert described("glyphs") == "glyphs, drawn from embedded fonts"
    assert described("auto", tmp_path) == (
        "omniglot, to be downloaded, or glyphs if it is not to be had"
    )
    (tmp_path / "omniglot-py").mkdir()
    (tmp_path / "omniglot-py" / "images_background.zip").write_bytes(b"")
    assert described("omniglot", tmp_path) == f"omniglot, from {tmp_path / 'omniglot-py'}"
    assert described(str(tmp_path / "mine")) == f"images in {tmp_path / 'mine'}"
    with pytest.raises(DataError, match="no folder"):
        described("auto", tmp_path / "none")
