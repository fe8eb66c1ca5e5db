import platform
import subprocess

import optuna
import pytest

from hpo.study.provenance import versions


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
    assert versions()["siamese-hpo"] == "not installed"
