"""Where downloads and caches lie on the user's machine."""

import os
from pathlib import Path

from platformdirs import user_cache_dir

from data.errors import DataError


def cache_dir() -> Path:
    """Return the user's cache folder, or what ``SIAMESE_HPO_CACHE`` names; it need not exist."""
    return Path(os.environ.get("SIAMESE_HPO_CACHE") or user_cache_dir("siamese-hpo"))


def data_root(root: Path | None = None) -> Path:
    """Return where data sets are looked for.

    The first of: the argument, the environment's ``OMNIGLOT_ROOT``, ``./datasets`` if there is
    such a folder, the user's cache.

    Raises:
        DataError: the argument is no folder; a slip of the pen must not become other data.
    """
    if root is not None:
        if not root.is_dir():
            raise DataError(f"{root}, where data sets should lie, is no folder that exists")
        return root
    if named := os.environ.get("OMNIGLOT_ROOT"):
        return Path(named)
    here = Path("datasets")
    return here if here.is_dir() else cache_dir()
