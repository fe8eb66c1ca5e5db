"""Study files: found by name, read over their bases, checked."""

import math
import tomllib
from pathlib import Path
from typing import Any

from data.files.regular import read_regular
from hpo.study.config import StudyConfig, validated
from hpo.study.errors import ConfigError, did_you_mean
from hpo.study.name import check_name

MOST_BASES = 20
"""How many study files may follow one another by ``base``."""
_DEEPEST = 10
"""How deep lists and tables may lie in each other; a study needs 4."""
_SHIPPED = Path(__file__).resolve().parents[2] / "studies"


def load(study: str) -> StudyConfig:
    """Return the study named ``study``, or the one in the file ``study`` if it ends in ``.toml``.

    A name is looked up in the project's own ``studies/``, then in ``./studies/``. A file with
    ``base = "<study>"`` says only what differs from that study: the keys of its sections stand
    beside or in place of the base's, its starts in place of all the base's, and ``start = []`` is
    none of them.

    Raises:
        ConfigError: there is no such study, or its file is wrong; says which key and why.
    """
    path = _path(study)
    raw = _read(path)
    return validated({**raw, "name": path.stem}, str(path))


def available() -> dict[str, Path]:
    """Return the study files that can be named without a path."""
    folders = (Path.cwd() / "studies", _SHIPPED)
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def _path(study: str) -> Path:
    path = Path(study) if study.endswith(".toml") else _find(study)
    check_name(path.stem)
    return path


def _read(path: Path, derived: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return what the study file ``path`` says, over what its base says."""
    try:
        # Editors of Windows begin a file in UTF-8 with a byte order mark.
        raw = tomllib.loads(read_regular(path).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        why = "a number has too many digits" if "digits" in str(error) else error
        raise ConfigError(f"{path} is not a TOML file in UTF-8: {why}") from None
    _refuse_boundless(raw, path)
    if "name" in raw:
        raise ConfigError(f'{path}: unknown key "name"; a study is named as its file')
    base = raw.pop("base", None)
    if base is None:
        return raw
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base = {base!r}: it should name a study or a .toml file")
    derived = (*derived, path.resolve())
    if len(derived) > MOST_BASES:
        raise ConfigError(f"{path}: base = {base!r}: more than {MOST_BASES} files in a row")
    try:
        # A file is looked for beside the one that names it.
        origin = _path(str(path.parent / base) if base.endswith(".toml") else base)
    except ConfigError as error:
        raise ConfigError(f"{path}: base: {error}") from None
    if origin.resolve() in derived:
        raise ConfigError(f'{path}: base = "{base}" leads back to {origin}')
    return _merged(_read(origin, derived), raw)


def _refuse_boundless(raw: dict[str, Any], path: Path) -> None:
    """Refuse numbers that are not finite or no 64-bit integers, and what is nested too deep.

    Raises:
        ConfigError: says which key.
    """
    entries: list[tuple[tuple[str, ...], Any]] = [((), raw)]
    while entries:
        keys, value = entries.pop()
        if len(keys) > _DEEPEST:
            raise ConfigError(f"{path}: {'.'.join(keys)} lies too deep in lists or tables")
        if isinstance(value, dict):
            entries += [((*keys, key), entry) for key, entry in value.items()]
        elif isinstance(value, list):
            entries += [((*keys, str(i)), entry) for i, entry in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{path}: {'.'.join(keys)} = {value}: it should be a finite number")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ConfigError(f"{path}: {'.'.join(keys)}: a whole number of at most 64 bits")


def _merged(base: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    both = {key for key in base if isinstance(base[key], dict) and isinstance(raw.get(key), dict)}
    merged = {**base, **raw, **{key: base[key] | raw[key] for key in both}}
    initial_configurations = base.get("start")
    if isinstance(initial_configurations, list) and "start" not in raw and "parameters" in both:
        # What is fixed here is fixed in the base's starts as well.
        fixed = {name for name, value in raw["parameters"].items() if not isinstance(value, dict)}
        merged["start"] = [
            {name: start[name] for name in start if name not in fixed}
            if isinstance(start, dict)
            else start
            for start in initial_configurations
        ]
    return merged


def _find(name: str) -> Path:
    check_name(name)
    found = available()
    if name not in found:
        hint = did_you_mean(name, found) or "."
        raise ConfigError(
            f'there is no study "{name}"{hint} There are: {", ".join(sorted(found))}; '
            "or give the path of a .toml file"
        )
    return found[name]
