from pathlib import Path

import pytest

from data.errors import DataError
from data.files.folders import cache_dir, data_root


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMNIGLOT_ROOT", raising=False)
    monkeypatch.setenv("SIAMESE_HPO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_dir() == tmp_path / "cache"
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("SIAMESE_HPO_CACHE")
        else:
            monkeypatch.setenv("SIAMESE_HPO_CACHE", unset)
        assert cache_dir().is_absolute()
        assert cache_dir().name == "siamese-hpo"


def test_data_lie_where_they_are_said_to_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_root() == tmp_path / "cache"
    (tmp_path / "here" / "datasets").mkdir()
    assert data_root() == Path("datasets")
    monkeypatch.setenv("OMNIGLOT_ROOT", str(tmp_path / "named"))
    assert data_root() == tmp_path / "named"
    (tmp_path / "given").mkdir()
    assert data_root(tmp_path / "given") == tmp_path / "given"


def test_a_mistyped_root_is_not_other_data(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for wrong in ("gone", "file"):
        with pytest.raises(DataError, match=f"{wrong}, where data sets should lie"):
            data_root(tmp_path / wrong)
