"""The versions that a result depends on: of packages, and of this code."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

VERSION = "0.2.0"
"""Of this project; ``pyproject.toml`` reads it here."""

_CHANGED = "+"


def versions() -> dict[str, str]:
    """Return the versions that a result depends on, by name, with this code's git revision."""
    found = {name: _version(name) for name in ("torch", "optuna", "numpy")}
    return {
        "siamese-hpo": VERSION,
        **found,
        "python": platform.python_version(),
        "revision": _revision(),
    }


def is_uncommitted(revision: str) -> bool:
    """Return whether nobody else can have the code of this revision, as files had changed."""
    return revision.endswith(_CHANGED)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _revision() -> str:
    """Return the git revision of this code, with ``+`` appended if files have changed since.

    An installed copy may lie in the folder of some other project, whose revision says nothing.
    """
    here = Path(__file__).resolve()
    describe = ["describe", "--always", f"--dirty={_CHANGED}", "--abbrev=12", "--exclude=*"]
    try:
        for command in (["ls-files", "--error-unmatch", here.name], describe):
            done = subprocess.run(
                ["git", *command], cwd=here.parent, capture_output=True, text=True, timeout=10
            )
            if done.returncode != 0:
                return "unknown"
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"
