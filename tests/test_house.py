"""The house: who imports whom, who knows Optuna, how long a file may be, what lies where."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Each room imports only from itself and those before it.
ROOMS = ("data", "model", "hpo", "run_study")
TOP = {"data", "model", "hpo", "tests", "studies", "run_study.py", "pyproject.toml"}
TOP |= {"README.md", "LICENSE"}
LONGEST = 350


def _files(room: str) -> list[Path]:
    return [ROOT / f"{room}.py"] if room == "run_study" else sorted((ROOT / room).rglob("*.py"))


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield node.module or ""


def _tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0 or not done.stdout:
        pytest.skip("not a git checkout, so there is no list of files")
    return [line for line in done.stdout.splitlines() if (ROOT / line).exists()]


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room: str) -> None:
    allowed = ROOMS[: ROOMS.index(room) + 1]
    for file in _files(room):
        for name in _imports(file):
            first = name.partition(".")[0]
            assert first not in ROOMS or first in allowed, f"{file} imports {name}"
            assert first != "tests", f"{file} imports {name}"


def test_only_hpo_knows_optuna() -> None:
    for room in set(ROOMS) - {"hpo"}:
        for file in _files(room):
            known = [name for name in _imports(file) if name.startswith("optuna")]
            assert not known, f"{file} imports {known}"


def test_the_command_knows_hpo_alone() -> None:
    firsts = {name.partition(".")[0] for name in _imports(ROOT / "run_study.py")}
    assert not firsts & {"data", "model", "torch"}


def test_the_packages_are_what_is_installed() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for room in ("data", "model", "hpo"):
        for folder in {file.parent for file in _files(room)}:
            package = ".".join(folder.relative_to(ROOT).parts)
            assert f'"{package}"' in text, f"{package} is not among the packages of pyproject.toml"


def test_no_file_is_long() -> None:
    for line in _tracked():
        if line.endswith(".py"):
            length = len((ROOT / line).read_text(encoding="utf-8").splitlines())
            assert length <= LONGEST, f"{line} has {length} lines"


def test_the_top_holds_what_it_should() -> None:
    found = {line.partition("/")[0] for line in _tracked()}
    assert {name for name in found if not name.startswith(".")} <= TOP


@pytest.mark.parametrize("room", ["data", "model", "hpo"])
def test_tests_mirror_the_rooms(room: str) -> None:
    assert list((ROOT / "tests" / room).glob("test_*.py"))
