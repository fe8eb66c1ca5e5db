from pathlib import Path

import pytest

from hpo.study.errors import ConfigError
from hpo.study.storage.location import StudyLocation
from hpo.terminal import named
from hpo.terminal.named import existing_study, named_study, source_location
from model.errors import DeviceError


def test_a_study_is_named_with_how_it_runs(tmp_path: Path) -> None:
    run = named_study(
        "smoke", "cpu", out=tmp_path, storage=None, data_root=tmp_path, seed=5, sampler=None
    )
    assert (run.config.name, run.config.search.seed, run.config.search.sampler) == (
        "smoke",
        5,
        "gp",
    )
    assert run.location == StudyLocation("smoke", tmp_path)
    assert (run.data_root, run.device) == (tmp_path, "cpu")


@pytest.mark.parametrize(("device", "study"), [("cpu", "compact"), ("cuda", "paper")])
def test_without_a_name_the_device_decides(
    tmp_path: Path,
    device: str,
    study: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(named, "device_named", lambda name: name)
    run = named_study(None, device, out=tmp_path, storage=None, data_root=None)
    assert (run.config.name, run.device) == (study, device)
    assert f"No --study given: {study}" in capsys.readouterr().out


def test_a_wrong_option_is_refused(tmp_path: Path) -> None:
    def named(study: str, device: str, **changes: int) -> None:
        named_study(study, device, out=tmp_path, storage=None, data_root=None, **changes)

    with pytest.raises(ConfigError, match="did you mean"):
        named("smok", "cpu")
    with pytest.raises(ConfigError, match=r"search\.seed"):
        named("smoke", "cpu", seed=-1)
    with pytest.raises(DeviceError, match="auto, cpu, cuda"):
        named("smoke", "gpu")


def test_a_study_to_read_is_named_with_or_without_its_file(tmp_path: Path) -> None:
    expected = StudyLocation("mine", tmp_path, "sqlite:///x.db")
    for name in ("mine", "mine.toml", "some/folder/mine.toml"):
        assert existing_study(name, tmp_path, "sqlite:///x.db") == expected
    with pytest.raises(ConfigError, match="cannot name a study"):
        existing_study("Mine", tmp_path, None)


def test_a_source_is_beside_the_study_or_in_its_folder(tmp_path: Path) -> None:
    here = StudyLocation("mine", tmp_path, "sqlite:///x.db")
    assert source_location("compact", here) == StudyLocation("compact", tmp_path, "sqlite:///x.db")
    assert source_location("other/compact", here) == StudyLocation("compact", Path("other"))
