import pytest
import typer
from typer.testing import CliRunner

from data.errors import DataError
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


def test_a_command_of_the_application_is_plain_and_shows_its_examples() -> None:
    app = options.command_app()

    @app.command(epilog=options.examples("python -m mine --twice", "python -m mine"))
    def main(twice: bool = False) -> None:
        """Do it."""
        raise ValueError("as it is")

    shown = CliRunner().invoke(app, ["--help"]).output
    assert "python -m mine --twice" in shown
    assert "--install-completion" not in shown
    assert isinstance(CliRunner().invoke(app, []).exception, ValueError)
