"""Study files: found by name, read over their bases and under a command's changes, checked."""

import logging
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from data.files.regular import read_regular
from hpo.study.config import SECTIONS, StudyConfig, validated
from hpo.study.errors import ConfigError, did_you_mean
from hpo.study.space.catalogue import Value, catalogue, toml
from hpo.study.space.domains import expand, matching, overlaid
from hpo.study.storage.location import check_name

MOST_BASES = 20
"""How many study files may follow one another by ``base``."""
_DEEPEST = 10
"""How deep lists and tables may lie in each other; a study needs 4."""
_SHIPPED = Path(__file__).resolve().parents[2] / "studies"

_log = logging.getLogger(__name__)


class _Layer(NamedTuple):
    """What a file, or a command's ``--set``, says over the layers before it."""

    source: str
    raw: dict[str, Any]


def load(study: str, settings: Sequence[str] = ()) -> StudyConfig:
    """Return the study named ``study``, or the one in the file ``study`` if it ends in ``.toml``.

    A name is looked up in the project's own ``studies/``, then in ``./studies/``. A file with
    ``base = "<study>"`` says only what differs from that study: the keys of its sections stand
    beside or in place of the base's, and what its patterns match in place of the base's exact
    names; its starts stand in place of all the base's, and ``start = []`` is none of them. The
    ``settings``, each ``KEY=VALUE``, stand over the file in the same way; see `setting`.

    Raises:
        ConfigError: there is no such study, or its file or a setting is wrong; says where, which
            key and why.
    """
    path = _path(study)
    return _built(path.stem, [*_layers(path), *_set(path.stem, settings)])


def changed(config: StudyConfig, settings: Sequence[str]) -> StudyConfig:
    """Return the config with ``settings`` in it, as in `load`.

    Raises:
        ConfigError: a setting is wrong.
    """
    if not settings:
        return config
    raw = config.model_dump(exclude={"name"}, exclude_none=True)
    whole = _Layer(f"study {config.name}", {**raw, "start": list(raw["start"])})
    return _built(config.name, [whole, *_set(config.name, settings)])


def setting(text: str) -> dict[str, Any]:
    """Return ``KEY=VALUE`` as a study file would have it.

    The key is that of a section, ``budget.epochs``, or of a parameter, ``conv1.filters`` and
    ``*.l2``; the value is TOML, or a string without quotes.

    Raises:
        ConfigError: it has no ``=``, or there is no such key.
    """
    key, equals, written = (part.strip() for part in text.partition("="))
    if not equals:
        raise ConfigError(f"--set {text}: give KEY=VALUE, such as budget.epochs=3")
    section, _, name = key.partition(".")
    known = [f"{one}.{each}" for one, keys in SECTIONS.items() for each in keys]
    if key not in known and not matching([key], catalogue()):
        hint = did_you_mean(key, [*known, *catalogue()]) or "; keys are those of a study file"
        raise ConfigError(f'--set {text}: unknown key "{key}"{hint}')
    try:
        value = tomllib.loads(f"value = {written}")
    except (tomllib.TOMLDecodeError, RecursionError):
        value = {}
    except ValueError:
        raise ConfigError(f"--set {key}: a number has too many digits") from None
    if value.keys() != {"value"}:
        value = {"value": written}
    _refuse_boundless({key: value["value"]}, "--set")
    return (
        {section: {name: value["value"]}} if key in known else {"parameters": {key: value["value"]}}
    )


def starts(path: Path) -> list[dict[str, Value]]:
    """Return the configurations of a file of ``[[start]]`` tables alone, or of a study file.

    Each is whole: what it does not name, and the study file does not fix, has its default, if it
    has one.

    Raises:
        ConfigError: the file cannot be read, has no start, or a start is wrong; says which and why.
    """
    raw, fixed = _read(path), {}
    given = raw.get("start", [])
    if set(raw) - {"start"}:
        space = load(str(path)).space()
        given = list(space.initial_configurations)
        fixed = {n: v for n in catalogue() if (v := space.fixed_value(n)) is not None}
    if not isinstance(given, list) or not given:
        raise ConfigError(f"{path}: there is no [[start]] in it, which holds a configuration")
    defaults = {n: p.default for n, p in catalogue().items() if p.default is not None}
    found = []
    for i, start in enumerate(given):
        try:
            if not isinstance(start, dict):
                raise ConfigError(f"{toml(start)} is no table; write [[start]]")
            own = {n: catalogue()[n].check(v) for n, v in expand(start, catalogue()).items()}
        except ValueError as error:
            raise ConfigError(f"{path}: start.{i}: {error}") from None
        except ConfigError as error:
            raise ConfigError(f"{path}: start.{i}: {error}") from None
        found.append({**defaults, **fixed, **own})
    return found


def written_start(values: Mapping[str, Value], *notes: str) -> str:
    """Return a ``[[start]]`` of a study file, each of ``notes`` a line of comment above it."""
    lines = [f"# {' '.join(note.split())}" for note in notes]
    lines += ["[[start]]", *(f'"{name}" = {toml(value)}' for name, value in values.items())]
    return "\n".join(lines) + "\n"


def available() -> dict[str, Path]:
    """Return the study files that can be named without a path."""
    folders = (Path.cwd() / "studies", _SHIPPED)
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def _path(study: str) -> Path:
    if study.endswith(".toml"):
        check_name(Path(study).stem)
        return Path(study)
    check_name(study)
    found = available()
    if study not in found:
        hint = did_you_mean(study, found) or "."
        raise ConfigError(
            f'there is no study "{study}"{hint} There are: {", ".join(sorted(found))}; '
            "or give the path of a .toml file"
        )
    return found[study]


def _layers(path: Path, derived: tuple[Path, ...] = ()) -> list[_Layer]:
    """Return the study file ``path``, after its base and whatever that is derived from."""
    raw = _read(path)
    if "name" in raw:
        raise ConfigError(f'{path}: unknown key "name"; a study is named as its file')
    base = raw.pop("base", None)
    if base is None:
        return [_Layer(str(path), raw)]
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
    # What a base says of itself need not hold for what is derived from it.
    own = {"description": f"Derived from {origin.stem}", **raw}
    return [*_layers(origin, derived), _Layer(str(path), own)]


def _read(path: Path) -> dict[str, Any]:
    try:
        # Editors of Windows begin a file in UTF-8 with a byte order mark.
        raw = tomllib.loads(read_regular(path).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        why = "a number has too many digits" if "digits" in str(error) else error
        raise ConfigError(f"{path} is not a TOML file in UTF-8: {why}") from None
    _refuse_boundless(raw, path)
    return raw


def _set(name: str, settings: Sequence[str]) -> list[_Layer]:
    said = {"description": f"{name} with {', '.join(settings)}"}
    return [_Layer(f"--set {text}", said | setting(text)) for text in settings]


def _built(name: str, layers: Sequence[_Layer]) -> StudyConfig:
    """Return the config of the layers, one over the other.

    Raises:
        ConfigError: it is wrong; says which layer is.
    """
    raw: dict[str, Any] = {}
    wholes: list[_Layer] = []
    origin, inherited = "", False
    for source, own in layers:
        try:
            raw = _merged(raw, own)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from None
        wholes.append(_Layer(source, {**raw, "name": name}))
        if "start" in own:
            origin = source
        inherited = "start" not in own and (inherited or "parameters" in own)
    try:
        if inherited and isinstance(raw.get("start"), list):
            bare = validated({**raw, "name": name, "start": []})
            raw["start"] = list(_fitted(raw["start"], bare, origin))
        return validated({**raw, "name": name})
    except ConfigError as error:
        said = str(error).splitlines()
        if said[0].startswith("start."):
            raise ConfigError(f"{origin}: {error}") from None
        for whole in wholes:
            try:
                validated(whole.raw)
            except ConfigError as its:
                # A layer that is wrong by itself, and in the same way, is where the fault lies.
                if set(str(its).splitlines()) <= set(said):
                    raise ConfigError(f"{whole.source}: {its}") from None
        raise ConfigError(f"{layers[-1].source}: {error}") from None


def _refuse_boundless(raw: dict[str, Any], source: Path | str) -> None:
    """Refuse numbers that are not finite or no 64-bit integers, and what is nested too deep.

    Raises:
        ConfigError: says which key.
    """
    entries: list[tuple[tuple[str, ...], Any]] = [((), raw)]
    while entries:
        keys, value = entries.pop()
        if len(keys) > _DEEPEST:
            raise ConfigError(f"{source}: {'.'.join(keys)} lies too deep in lists or tables")
        if isinstance(value, dict):
            entries += [((*keys, key), entry) for key, entry in value.items()]
        elif isinstance(value, list):
            entries += [((*keys, str(i)), entry) for i, entry in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{source}: {'.'.join(keys)} = {value}: it should be a finite number")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ConfigError(f"{source}: {'.'.join(keys)}: a whole number of at most 64 bits")


def _merged(base: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    both = {key for key in base if isinstance(base[key], dict) and isinstance(raw.get(key), dict)}
    merged = {**base, **raw, **{key: base[key] | raw[key] for key in both}}
    if "parameters" in both:
        merged["parameters"] = overlaid(base["parameters"], raw["parameters"])
    return merged


def _fitted(starts: Sequence[Any], config: StudyConfig, origin: str) -> Iterator[Any]:
    """Yield the initial configurations of ``origin`` as they fit the space of ``config``.

    What is fixed in it is left out of them; where a parameter has no value that it can take, its
    default stands in, or the configuration is left out; both is said.
    """
    space = config.space()
    for i, start in enumerate(starts):
        label = f"{config.name}: start.{i} of {origin}"
        try:
            given = expand(start, catalogue())
        except (ConfigError, AttributeError):
            yield start  # wrong by itself, and so to be refused
            continue
        try:
            values, replaced = space.fitted(given)
        except ConfigError as error:
            _log.warning("%s is left out: %s", label, error)
            continue
        for name, value in replaced.items():
            _log.warning("%s has the default of %s, %s", label, name, toml(value))
        yield values
