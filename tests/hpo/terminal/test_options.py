from importlib import import_module

import pytest
import typer
from typer.testing import CliRunner

import run_study
from data.errors import DataError
from hpo import ablation, cli, final_fit
from hpo.study.errors import ConfigError, StudyError
from hpo.terminal import options
from hpo.terminal.commands import COMMANDS
from model.errors import DeviceError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("no such study"), 2),
        (DeviceError("no such device"), 2),
        (StudyError("no trial"), 1),
        (DataError("no data"), 1),
        (PermissionError(13, "Permission denied", "out/study.db"), 1),
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


@pytest.mark.parametrize("module", [row.module for row in COMMANDS.values()])
@pytest.mark.parametrize("words", [["--out", ""], ["--data-root="], [""], ["--out", " "]])
def test_an_empty_word_is_no_option_left_out(module: str, words: list[str]) -> None:
    """Else an unset variable would be the folder that one is in."""
    app = import_module(module).app
    option = words[0].rstrip("=")
    known = {name for each in typer.main.get_command(app).params for name in each.opts}
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    if option and option not in known:
        assert f"No such option: {option}" in done.output
    else:
        assert f"{option or 'an argument'} is empty; give it a value, or leave" in done.output


def test_nor_is_it_in_the_list_of_studies() -> None:
    done = CliRunner().invoke(cli.app, ["list", "--out", ""])
    assert (done.exit_code, "--out is empty" in done.output) == (2, True)
