"""The versions that a result depends on: of packages, and of this code."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path


def versions() -> dict[str, str]:
    """Return the versions that a result depends on, by name, with this code's git revision."""
    found = {name: _version(name) for name in ("siamese-hpo", "torch", "optuna", "numpy")}
    return {**found, "python": platform.python_version(), "revision": _revision()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _revision() -> str:
    """Return the git revision of this code, with ``+`` appended if files have changed since."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        here = Path(__file__).resolve().parent
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"
