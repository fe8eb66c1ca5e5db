from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import run_study
from data.errors import DataError
from hpo import ablation, final_fit
from hpo.study.errors import ConfigError, StudyError
from hpo.study.storage.location import StudyLocation
from hpo.terminal import options
from model.errors import DeviceError


def test_a_study_is_named_with_how_it_runs(tmp_path: Path) -> None:
    run = options.named_study(
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
    monkeypatch.setattr(options, "device_named", lambda name: name)
    run = options.named_study(None, device, out=tmp_path, storage=None, data_root=None)
    assert (run.config.name, run.device) == (study, device)
    assert f"No --study given: {study}" in capsys.readouterr().out


def test_a_wrong_option_is_refused(tmp_path: Path) -> None:
    def named(study: str, device: str, **changes: int) -> None:
        options.named_study(study, device, out=tmp_path, storage=None, data_root=None, **changes)

    with pytest.raises(ConfigError, match="did you mean"):
        named("smok", "cpu")
    with pytest.raises(ConfigError, match=r"search\.seed"):
        named("smoke", "cpu", seed=-1)
    with pytest.raises(DeviceError, match="auto, cpu, cuda"):
        named("smoke", "gpu")


def test_a_study_to_read_is_named_with_or_without_its_file(tmp_path: Path) -> None:
    expected = StudyLocation("mine", tmp_path, "sqlite:///x.db")
    for name in ("mine", "mine.toml", "some/folder/mine.toml"):
        assert options.existing_study(name, tmp_path, "sqlite:///x.db") == expected
    with pytest.raises(ConfigError, match="cannot name a study"):
        options.existing_study("Mine", tmp_path, None)


def test_a_source_is_beside_the_study_or_in_its_folder(tmp_path: Path) -> None:
    here = StudyLocation("mine", tmp_path, "sqlite:///x.db")
    assert options.source_location("compact", here) == StudyLocation(
        "compact", tmp_path, "sqlite:///x.db"
    )
    assert options.source_location("other/compact", here) == StudyLocation("compact", Path("other"))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("no such study"), 2),
        (DeviceError("no such device"), 2),
        (StudyError("no trial"), 1),
        (DataError("no data"), 1),
    ],
)
def test_an_error_of_the_user_is_a_line_and_an_exit_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, options.reported():
        raise error
    assert ended.value.exit_code == code
    assert capsys.readouterr().err == f"error: {error}\n"


def test_an_error_of_the_program_is_none_of_them() -> None:
    with pytest.raises(ZeroDivisionError), options.reported():
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (run_study.app, "--timeout inf"),
        (run_study.app, "--timeout nan"),
        (run_study.app, "--trials 1" + "0" * 400),
        (run_study.app, "--workers 1000000000"),
        (final_fit.app, "--minutes inf"),
        (final_fit.app, "--retrain-minutes nan"),
        (ablation.app, "--minutes nan"),
    ],
)
def test_numbers_are_finite_and_bounded(command: typer.Typer, option: str) -> None:
    done = CliRunner().invoke(command, ["--study", "smoke", *option.split()])
    assert done.exit_code == 2, done.output
    assert "out of range" in done.output
