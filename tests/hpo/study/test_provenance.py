import platform
import subprocess
from pathlib import Path

import optuna
import pytest

from hpo.study import provenance
from hpo.study.provenance import is_uncommitted, versions
from tests import ROOT


def test_the_version_is_one() -> None:
    from hpo import __version__

    assert versions()["siamese-hpo"] == provenance.VERSION == __version__
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_versions_name_the_packages_and_the_revision() -> None:
    found = versions()
    assert list(found) == ["siamese-hpo", "torch", "optuna", "numpy", "python", "revision"]
    assert found["optuna"] == optuna.__version__
    assert found["python"] == platform.python_version()


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_without_git_the_revision_is_unknown(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def run(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    assert versions()["revision"] == "unknown"


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def missing(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", missing)
    assert versions()["torch"] == "not installed"


def test_the_revision_is_that_of_this_code_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a checkout, marked if files have changed; not that of a folder it is installed into."""

    def git(*words: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    file = tmp_path / "provenance.py"
    file.write_text("")
    monkeypatch.setattr(provenance, "__file__", str(file))
    assert versions()["revision"] == "unknown"
    git("init", "-q")
    (tmp_path / "other.py").write_text("")
    git("add", "other.py")
    git("commit", "-qm", "another project")
    assert versions()["revision"] == "unknown"
    git("add", "provenance.py")
    git("commit", "-qm", "this one")
    revision = versions()["revision"]
    assert len(revision) >= 12
    assert not is_uncommitted(revision)
    file.write_text("changed")
    assert versions()["revision"] == f"{revision}+"
    assert is_uncommitted(versions()["revision"])
