"""The console script: its commands, its help, and folders that hold modules of the user's own."""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from hpo.study.provenance import VERSION
from hpo.terminal.commands import COMMANDS
from tests import ROOT

SCRIPT = "import sys\nfrom hpo.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
"""What pip writes for the console script."""


def foreign(folder: Path) -> Path:
    """Return a folder with modules that fail as soon as they are imported, and the script."""
    (folder / "data").mkdir()
    (folder / "bin").mkdir()
    for module in ("model.py", "data/__init__.py", "hpo.py", "run_study.py"):
        (folder / module).write_text("open('imported', 'w').close()\nraise SystemExit(99)\n")
    (folder / "bin" / "siamese-hpo").write_text(SCRIPT)
    return folder


def siamese_hpo(*arguments: str, cwd: Path) -> str:
    return _run(str(foreign(cwd) / "bin" / "siamese-hpo"), *arguments, cwd=cwd)


def _run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (cwd / "imported").exists()
    return done.stdout


def test_help_names_every_command(tmp_path: Path) -> None:
    said = siamese_hpo("--help", cwd=tmp_path)
    for name, row in COMMANDS.items():
        assert f"{name} " in said
        assert row.summary in said
    assert "--install-completion" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_shows_it_as_it_is_typed(name: str, tmp_path: Path) -> None:
    said = siamese_hpo(name, "--help", cwd=tmp_path)
    assert f"Usage: siamese-hpo {name}" in said
    assert f"siamese-hpo {name} " in said.partition("Examples")[2]
    assert "python" not in said.partition("Examples")[2]


def test_the_version_is_printed(tmp_path: Path) -> None:
    assert siamese_hpo("--version", cwd=tmp_path) == f"siamese-hpo {VERSION}\n"
    assert _run(str(ROOT / "run_study.py"), "--version", cwd=tmp_path).split()[1] == VERSION


def test_options_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_SIAMESE_HPO_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "siamese-hpo run --study com")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert siamese_hpo(cwd=tmp_path).split() == ["compact"]


@pytest.mark.parametrize("script", ["bin/siamese-hpo", str(ROOT / "run_study.py")])
def test_workers_import_no_module_of_the_current_folder(script: str, tmp_path: Path) -> None:
    foreign(tmp_path)
    run = ["run"] * (script == "bin/siamese-hpo")
    two = ["--trials", "1", "--workers", "2"]
    _run(script, *run, "--study", "smoke", "--device", "cpu", *two, cwd=tmp_path)
    said = _run("bin/siamese-hpo", "list", cwd=tmp_path)
    assert "smoke" in said.partition("Study files")[0]


def test_the_script_and_the_study_files_are_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    module, _, function = project["project"]["scripts"]["siamese-hpo"].partition(":")
    assert callable(getattr(import_module(module), function))
    setuptools = project["tool"]["setuptools"]
    assert "studies" in setuptools["packages"]["find"]["include"]
    assert list(ROOT.glob(f"studies/{setuptools['package-data']['studies'][0]}"))
