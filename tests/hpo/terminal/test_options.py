import pytest
import typer
from typer.testing import CliRunner

import run_study
from data.errors import DataError
from hpo import ablation, final_fit
from hpo.study.errors import ConfigError, StudyError
from hpo.terminal import options
from model.errors import DeviceError


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
