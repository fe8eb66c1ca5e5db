import os
import subprocess
import sys
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from model.command import CommandApp, examples
from tests import ROOT

SAYS = """
import sys
from model.command import CommandApp
from hpo.terminal.progress import console

app = CommandApp()

@app.command()
def main() -> None:
    print("b/字 → é \\udcff")
    console().print("b/字 → é \\udcff")
    print("→", file=sys.stderr)

app()
"""


def run(*arguments: str, encoding: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, env=environment)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "latin-1:strict"])
def test_output_never_fails_for_the_terminal_s_encoding(encoding: str) -> None:
    done = run("-c", SAYS, encoding=encoding)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    bare = encoding.partition(":")[0]
    expected = "b/字 → é \udcff".encode(bare, "backslashreplace")
    assert [line.strip() for line in done.stdout.splitlines()] == [expected] * 2


@pytest.mark.parametrize("module", ["run_study", "model.predict", "hpo.report"])
def test_help_is_shown_in_ascii(module: str) -> None:
    done = run("-m", module, "--help", encoding="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Examples" in done.stdout


@pytest.mark.parametrize(
    ("words", "empty"),
    [
        (["--name", ""], "--name"),
        (["--name="], "--name"),
        (["--more", "x", "--more="], "--more"),
        (["a", ""], "an argument"),
        (["--", ""], "an argument"),
    ],
)
def test_an_empty_word_is_refused(words: list[str], empty: str) -> None:
    app = CommandApp()

    @app.command()
    def main(
        files: Annotated[list[str] | None, typer.Argument()] = None,
        word: str = "",
        name: str = "",
        more: Annotated[list[str] | None, typer.Option()] = None,
    ) -> None:
        print(files, word, name)

    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert f"{empty} is empty; give it a value, or leave it out" in done.output
    for words in (["--name=x=", "--word", "="], ["--name", "--word="], ["--", "--word="]):
        done = CliRunner().invoke(app, words)
        assert (done.exit_code, words[-1] in done.output) == (0, True)


def test_a_command_of_the_application_is_plain_and_shows_its_examples() -> None:
    app = CommandApp()

    @app.command(epilog=examples("python -m mine --twice", "python -m mine"))
    def main(twice: bool = False) -> None:
        """Do it."""
        raise ValueError("as it is")

    shown = CliRunner().invoke(app, ["--help"]).output
    assert "python -m mine --twice" in shown
    assert "--install-completion" not in shown
    assert isinstance(CliRunner().invoke(app, []).exception, ValueError)
