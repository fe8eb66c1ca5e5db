"""The plan of the code, computed from its imports: rooms, their order, their size, their tests."""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests import ROOT

PACKAGES = ("data", "model", "hpo", "run_study")
"""Each imports only from itself and those before it."""
ROOMS = (
    {"study"},
    {"training", "results", "terminal"},
    {"search", "fits", "reporting"},
)
"""The folders of hpo: each imports only from those of the lines above its own."""
DOORS = {"cli", "run", "final_fit", "ablation", "report", "dashboard", "api"}
TOP = {"data", "model", "hpo", "tests", "studies", "run_study.py", "pyproject.toml"}
TOP |= {"README.md", "LICENSE", "CITATION.cff"}
MOST_MODULES, LONGEST_MODULE, LONGEST_TEST, LONGEST_CHAIN = 9, 300, 350, 15

WITHOUT_BEHAVIOUR = {
    "data.dataset",
    "data.errors",
    "data.sources.omniglot.facts",
    "data.sources.request",
    "model.errors",
}
"""Names, figures and plain records alone; there is nothing in them that a test could run."""

Graph = Mapping[str, set[str]]


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0 or not done.stdout:
        pytest.skip("not a git checkout, so there is no list of files")
    return [line for line in done.stdout.splitlines() if (ROOT / line).exists()]


@cache
def modules() -> dict[str, Path]:
    """Return the project's modules by dotted name; a package is named as its folder."""
    found = {"run_study": ROOT / "run_study.py"}
    for package in PACKAGES[:-1]:
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(file: Path) -> Iterator[str]:
    """Yield what a file imports, wherever in it, lazily and for types alone too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules() else node.module


@cache
def graph() -> dict[str, set[str]]:
    """Return the project's own imports, module by module."""
    return {
        name: {one for one in imported(file) if one in modules()} - {name}
        for name, file in modules().items()
    }


def levels(edges: Graph) -> dict[str, int]:
    """Return the length of the longest chain that each node is the top of.

    Raises:
        AssertionError: the graph has a circle; says which.
    """
    found: dict[str, int] = {}

    def level(node: str, above: tuple[str, ...]) -> int:
        assert node not in above, f"circle: {' -> '.join((*above[above.index(node) :], node))}"
        if node not in found:
            below = (level(other, (*above, node)) for other in edges.get(node, ()))
            found[node] = 1 + max(below, default=0)
        return found[node]

    for node in edges:
        level(node, ())
    return found


def within(folder: str) -> Graph:
    """Return the imports among the direct children of a folder, files and folders alike."""
    prefix = f"{folder}." if folder else ""
    edges: dict[str, set[str]] = defaultdict(set)
    for name, others in graph().items():
        for other in others:
            if name.startswith(prefix) and other.startswith(prefix):
                one, two = (each[len(prefix) :].partition(".")[0] for each in (name, other))
                if one != two:
                    edges[one].add(two)
    return edges


def test_circles_are_found() -> None:
    assert levels({"a": {"b"}, "b": {"c"}, "c": set()}) == {"a": 3, "b": 2, "c": 1}
    with pytest.raises(AssertionError, match="circle: b -> c -> b"):
        levels({"a": {"b"}, "b": {"c"}, "c": {"b"}})


def test_no_circle_among_modules_and_no_long_chain() -> None:
    found = levels(graph())
    assert max(found.values()) <= LONGEST_CHAIN, max(found.items(), key=lambda item: item[1])


def test_no_circle_among_the_children_of_any_folder() -> None:
    folders = {name.rpartition(".")[0] for name in modules()}
    assert len(folders) > 10
    for folder in folders:
        levels(within(folder))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_one_way(package: str) -> None:
    allowed = PACKAGES[: PACKAGES.index(package) + 1]
    for name, file in modules().items():
        if name.partition(".")[0] == package:
            for other in imported(file):
                first = other.partition(".")[0]
                assert first not in PACKAGES or first in allowed, f"{name} imports {other}"
                assert first != "tests", f"{name} imports {other}"


def test_rooms_import_only_those_before_them() -> None:
    named = {name.split(".")[1] for name in modules() if name.startswith("hpo.")}
    assert named == set().union(*ROOMS) | DOORS
    before: set[str] = set()
    for line in ROOMS:
        for room in line:
            found = {
                other
                for name, others in graph().items()
                for other in others
                if name.startswith(f"hpo.{room}") and not other.startswith(("data", "model"))
            }
            rooms = {other.split(".")[1] if "." in other else "hpo" for other in found} - {room}
            assert rooms <= before, f"hpo.{room} imports {rooms - before}"
        before |= line


def test_only_hpo_knows_optuna() -> None:
    for name, file in modules().items():
        if not name.startswith("hpo"):
            known = [other for other in imported(file) if other.partition(".")[0] == "optuna"]
            assert not known, f"{name} imports {known}"


def test_the_command_knows_hpo_alone() -> None:
    firsts = {name.partition(".")[0] for name in imported(ROOT / "run_study.py")}
    assert not firsts & {"data", "model", "torch"}


def test_files_are_written_atomically_in_one_way() -> None:
    # A download's part is not replaced but resumed.
    for name in set(modules()) - {"data.files.atomic", "data.files.download"}:
        for node in ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"\.part(\.\w+)?$", node.value), f"{name}: use replacing()"
            assert not (isinstance(node, ast.Attribute) and node.attr == "mkstemp"), name


def test_a_folder_is_seen_at_a_glance() -> None:
    counts: dict[str, int] = defaultdict(int)
    for name, file in modules().items():
        if file.name != "__init__.py":
            counts[name.rpartition(".")[0]] += 1
    assert {folder: n for folder, n in counts.items() if n > MOST_MODULES} == {}


def test_no_file_is_long() -> None:
    for line in tracked():
        if line.endswith(".py"):
            length = len((ROOT / line).read_text(encoding="utf-8").splitlines())
            most = LONGEST_TEST if line.startswith("tests/") else LONGEST_MODULE
            assert length <= most, f"{line} has {length} lines"


def test_the_top_holds_what_it_should() -> None:
    found = {line.partition("/")[0] for line in tracked()}
    assert {name for name in found if not name.startswith(".")} <= TOP


def test_every_module_of_behaviour_has_its_test_file() -> None:
    missing = set()
    for name, file in modules().items():
        if file.name == "__init__.py" or name in WITHOUT_BEHAVIOUR:
            continue
        place = file.relative_to(ROOT)
        if not (ROOT / "tests" / place.parent / f"test_{place.name}").is_file():
            missing.add(name)
    assert missing == set()


def test_what_has_no_behaviour_defines_none() -> None:
    for name in WITHOUT_BEHAVIOUR:
        tree = ast.parse(modules()[name].read_text(encoding="utf-8"))
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.Lambda)]
        assert not functions, f"{name} has functions, so it needs a test"
