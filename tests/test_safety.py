"""What a stranger could hand over runs no code, and what listens does so on loopback."""

import ast
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpo.dashboard import LOOPBACK
from hpo.study.errors import ConfigError
from hpo.study.files import load
from tests import ROOT
from tests.data.conftest import fuzz_examples

SOURCES = [*(f for room in ("data", "model", "hpo") for f in (ROOT / room).rglob("*.py"))]
SOURCES.append(ROOT / "run_study.py")

# What runs, or may run, code that is in a file; where a name is left, it loads nothing.
FORBIDDEN = {"dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
EVALUATES = {"eval", "exec", "compile", "__import__"}
EXTRACTS = {"extract", "extractall", "unpack_archive"}


def nodes(source: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(source.read_text()))


def called(node: ast.Call) -> str:
    """Return what is called, as it is written."""
    return ast.unparse(node.func)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_extracted_or_evaluated(source: Path) -> None:
    for node in nodes(source):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None) or ""
            names = {alias.name.partition(".")[0] for alias in node.names} | {module}
            assert not names & FORBIDDEN, ast.unparse(node)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
            # Its errors may be caught.
            assert node.attr.endswith("Error"), ast.unparse(node)
        if not isinstance(node, ast.Call):
            continue
        name, text = called(node), ast.unparse(node)
        assert name not in EVALUATES, text
        assert name.rpartition(".")[2] not in EXTRACTS, text
        if name == "torch.load":
            assert "weights_only=True" in text, text
        if name in ("np.load", "numpy.load"):
            assert "allow_pickle=False" in text, text
        assert "shell=True" not in text, text
        # What workers say to each other is bytes, not pickles.
        assert not name.endswith(("message.send", "message.recv")), text


def test_only_the_dashboard_listens_and_on_loopback() -> None:
    assert LOOPBACK == "127.0.0.1"
    for source in SOURCES:
        text = source.read_text()
        assert "0.0.0.0" not in text
        listens = any(
            isinstance(node, ast.Call)
            and called(node).endswith((".bind", ".listen", "Server"))
            and called(node) != "event.listen"  # SQLAlchemy's, to its own events
            for node in nodes(source)
        )
        assert not listens or source.name == "dashboard.py", source


SMOKE = (ROOT / "studies" / "smoke.toml").read_bytes()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A study file with bytes or whole words overwritten, cut out or put in."""
    content = bytearray(SMOKE)
    words = [b'"', b"[", b"]]", b"{", b"=", b"-1", b"1e999", b"nan", b"inf", b"true", b'"x"', b"*"]
    for _ in range(draw(st.integers(1, 5))):
        location = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 12))
        filling = draw(st.sampled_from(words) | st.binary(max_size=8))
        content[location : location + length] = filling
    return bytes(content)


@settings(max_examples=fuzz_examples(), suppress_health_check=list(HealthCheck))
@given(st.one_of(damaged(), st.binary(max_size=200)))
def test_fuzz_of_a_study_file_gives_a_study_or_one_message(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "fuzz.toml"
    file.write_bytes(content)
    with contextlib.suppress(ConfigError):
        assert load(str(file)).identity()
