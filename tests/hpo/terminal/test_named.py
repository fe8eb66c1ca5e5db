from pathlib import Path

import pytest

from hpo.study.config import StudyConfig
from hpo.study.errors import ConfigError, StudyError
from hpo.study.files import load
from hpo.study.open import open_as_run, open_study, remember_beside, remember_data
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from hpo.terminal import named
from hpo.terminal.named import existing_study, find_config, named_source, named_study
from model.errors import DeviceError
from tests import ROOT
from tests.hpo.support import tiny_config


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
    # A folder is none of them: the study of this name in another one must not stand in for it.
    for name in ("Mine", "some/folder/mine"):
        with pytest.raises(ConfigError, match="cannot name a study"):
            existing_study(name, tmp_path, None)


def test_a_source_is_beside_the_study_or_in_its_folder(tmp_path: Path) -> None:
    here = StudyLocation("mine", tmp_path, "sqlite:///x.db")
    assert named_source("compact", here) == StudyLocation("compact", tmp_path, "sqlite:///x.db")
    assert named_source("report/best.toml", here) == Path("report/best.toml")
    assert named_source("other/compact", here) == StudyLocation("compact", Path("other"))


def begun(config: StudyConfig, out: Path) -> StudyLocation:
    run = StudyRun(config=config, location=StudyLocation(config.name, out))
    study = open_study(run)
    remember_beside(study, run)
    remember_data(study, run, "tiny", "a" * 64)
    return run.location


def test_a_study_that_has_begun_is_known_by_its_name_alone(tmp_path: Path) -> None:
    config = tiny_config(trials=7)
    with pytest.raises(ConfigError, match='there is no study "tiny"'):
        find_config("tiny", StudyLocation("tiny", tmp_path))
    location = begun(config, tmp_path)
    found = find_config("tiny", location)
    assert found.identity() == config.identity()
    assert found.search.trials == 7
    changed = find_config("tiny", location, ["budget.epochs=2"])
    assert changed.budget.epochs == 2
    assert find_config("tiny", begun(found.changed(trials=9), tmp_path)).search.trials == 9


def test_a_study_goes_on_with_the_source_that_an_option_named(tmp_path: Path) -> None:
    begun(load("smoke").changed(dataset="omniglot"), tmp_path)
    location = StudyLocation("smoke", tmp_path)
    assert find_config("smoke", location).data.dataset == "omniglot"
    # What is asked for otherwise is not passed over, but refused later.
    found = find_config("smoke", location, ["data.dataset=auto", "search.sampler=tpe"])
    assert (found.data.dataset, found.search.sampler) == ("auto", "tpe")
    # A file that is named by its path counts in any case.
    assert find_config(str(ROOT / "studies/smoke.toml"), location).data.dataset == "glyphs"


def test_the_database_counts_more_than_another_file_of_that_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ["budget.epochs=2", "search.startup=3"]
    location = begun(load("smoke", settings).changed(sampler="tpe"), tmp_path)
    found = find_config("smoke", location)
    assert (found.budget.epochs, found.search.sampler) == (2, "tpe")
    (said,) = caplog.messages
    assert "budget.epochs = 2, not 3" in said
    caplog.clear()
    # With the same settings it is the file's own config, and no more is said.
    again = find_config("smoke", location, settings)
    assert again.identity() == found.identity()
    assert not caplog.messages
    # A file that is named as one counts.
    file = tmp_path / "smoke.toml"
    file.write_text('base = "smoke"\n')
    assert find_config(str(file), location).budget.epochs == 3


def test_a_study_begun_before_its_file_had_rungs_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    location = begun(load("paper", ["search.pruner=none", "search.rungs=4"]), tmp_path)
    file = str(ROOT / "studies" / "paper.toml")
    for config in (find_config("paper", location), find_config(file, location)):
        _, run = open_as_run(StudyRun(config=config, location=location))
        assert run.config.search.pruner == "none"
    open_study(StudyRun(config=config.changed(pruner="none"), location=location))
    assert not caplog.messages
    with pytest.raises(StudyError, match=r'search\.pruner: was "none", now "asha"'):
        open_study(StudyRun(config=config, location=location))


def test_a_study_keeps_the_rungs_that_it_was_begun_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    location = begun(load("paper", ["search.rungs=4"]), tmp_path)
    assert find_config("paper", location).search.rungs == 4
    assert "search.rungs = 4, not 5" in caplog.messages[0]
    with pytest.raises(StudyError, match=r"search\.rungs: was 4, now 5"):
        open_study(StudyRun(config=load("paper"), location=location))


def test_a_file_may_change_what_is_not_the_study_s_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    text = 'base = "smoke"\n'
    (tmp_path / "studies" / "mine.toml").write_text(text)
    location = begun(load("mine").changed(pruner="median"), tmp_path / "studies")
    (tmp_path / "studies" / "mine.toml").write_text(f"{text}[final]\nepochs = 77\n")
    found = find_config("mine", location)
    assert (found.final.epochs, found.search.pruner) == (77, "median")


def test_a_study_that_has_not_begun_is_as_its_file_is(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    open_study(StudyRun(config=load("smoke", ["budget.epochs=2"]), location=location))
    assert find_config("smoke", location).budget.epochs == 3
