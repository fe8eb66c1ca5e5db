"""What a study may be called."""

import re

from hpo.study.errors import ConfigError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def check_name(name: str) -> None:
    """Refuse a name that a study may not have, so that its folder cannot lie elsewhere.

    Raises:
        ConfigError: it holds anything but ``a-z 0-9 . _ -`` or starts with a sign.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f'"{name}" cannot name a study: use a-z, 0-9, ".", "_" and "-", '
            "with a letter or digit first"
        )
