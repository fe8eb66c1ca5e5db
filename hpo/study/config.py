"""A study file: read, checked once, then frozen."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hpo.study.errors import ConfigError
from hpo.study.name import check_name
from hpo.study.space.domains import read
from hpo.study.space.search_space import SearchSpace
from model.hyperparameters import Budget

SamplerName = Literal["gp", "tpe", "cmaes", "random"]
PrunerName = Literal["none", "median", "halving", "hyperband"]

_SHIPPED = Path(__file__).resolve().parents[2] / "studies"

Count = Annotated[int, Field(ge=1, le=10**9)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Data(_Section):
    """What a study learns from: the arguments of ``data.sources.table.load`` and of the split."""

    dataset: str = Field("auto", min_length=1)
    background: Literal["full", "small1", "small2"] = "full"
    image_size: int = Field(ge=8, le=256)
    drawers: Literal["paper", "all"] = "paper"


class Validation(_Section):
    """The one-shot trials that decide, and the pairs of the verification accuracy beside them."""

    way: int = Field(20, ge=2, le=1000)
    trials: Count = 320
    variant: Literal["two_drawers", "all_drawers"] = "two_drawers"
    verification_pairs: Count = 1000


class Training(_Section):
    """Every trial's budget; see `model.hyperparameters.Budget`."""

    epochs: int = Field(ge=1, le=100_000)
    pairs_per_epoch: Count
    patience: Count
    momentum_epochs: Count
    seconds: float | None = Field(None, gt=0)
    teraflops: float | None = Field(None, gt=0)


class Final(_Section):
    """Where the final fit's budget differs from a trial's; None: it does not.

    The limits of a trial's time and arithmetic do not hold for a final fit, which has its own.
    """

    epochs: int | None = Field(None, ge=1, le=100_000)
    pairs_per_epoch: Count | None = None
    patience: Count | None = None
    momentum_epochs: Count | None = None
    seconds: float | None = Field(None, gt=0)
    teraflops: float | None = Field(None, gt=0)


class Search(_Section):
    """Which sampler proposes, which pruner stops, for how many trials."""

    sampler: SamplerName = "gp"
    pruner: PrunerName = "none"
    trials: Count = 200
    startup: int = Field(20, ge=1, le=10_000)
    seed: int = Field(0, ge=0, lt=2**31)


class StudyConfig(_Section):
    """All that a study is, but for where it is kept.

    Example:
        >>> definition = load("compact")
        >>> definition.space().searched["fc.units"].high
        2048
    """

    name: str
    description: str = ""
    data: Data
    budget: Training
    validation: Validation
    search: Search
    final: Final = Field(default_factory=lambda: Final.model_validate({}))
    parameters: dict[str, Any]
    start: tuple[dict[str, Any], ...] = ()

    def space(self) -> SearchSpace:
        """Return the search space of ``[parameters]``, its corners checked.

        Raises:
            ConfigError: a parameter is wrong, or some configuration cannot be trained.
        """
        return SearchSpace(self.parameters, self.start, image_size=self.data.image_size)

    def training_budget(self) -> Budget:
        """Return ``[budget]`` as what a trainer takes."""
        return Budget(**self.budget.model_dump())

    def final_budget(self) -> Budget:
        """Return the final fit's budget: a trial's, but for what ``[final]`` says."""
        budget = replace(self.training_budget(), seconds=None, teraflops=None)
        return replace(budget, **self.final.model_dump(exclude_none=True))

    def changed(self, **options: Any) -> "StudyConfig":
        """Return the definition with a command's options in it; None leaves what is there.

        Args:
            options: ``dataset``, ``background``, ``sampler``, ``pruner``, ``seed``, ``trials``.
        """
        raw = self.model_dump()
        for option, value in options.items():
            if value is not None:
                section = "data" if option in ("dataset", "background") else "search"
                raw[section][option] = value
        return _validated(raw, "the command line")

    def identity(self) -> dict[str, Any]:
        """Return what makes this study this study, as plain JSON values with dotted keys.

        A study goes on only with the same identity. The total of trials and the description may
        change.
        """
        sections = self.model_dump(mode="json", include={"data", "budget", "validation", "search"})
        del sections["search"]["trials"]
        # Left out where unset, so that a limit of a later version does not make a study another.
        flat = {
            f"{section}.{key}": value
            for section, keys in sections.items()
            for key, value in keys.items()
            if value is not None
        }
        for name, specification in read(self.parameters).items():
            plain = {k: v for k, v in vars(specification).items() if v not in ({}, None)}
            flat[f"parameters.{name}"] = _plain(plain)
        for i, start in enumerate(self.space().initial_configurations):
            flat[f"start.{i}"] = _plain(start)
        return flat


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
    return _validated({**raw, "name": path.stem}, str(path))


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
        raw = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not a TOML file: {error}") from None
    if "name" in raw:
        raise ConfigError(f'{path}: unknown key "name"; a study is named as its file')
    base = raw.pop("base", None)
    if base is None:
        return raw
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base = {base!r}: it should name a study or a .toml file")
    derived = (*derived, path.resolve())
    try:
        # A file is looked for beside the one that names it.
        origin = _path(str(path.parent / base) if base.endswith(".toml") else base)
    except ConfigError as error:
        raise ConfigError(f"{path}: base: {error}") from None
    if origin.resolve() in derived:
        raise ConfigError(f'{path}: base = "{base}" leads back to {origin}')
    return _merged(_read(origin, derived), raw)


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
        close = difflib.get_close_matches(name, found, n=1)
        hint = f', did you mean "{close[0]}"?' if close else "."
        raise ConfigError(
            f'there is no study "{name}"{hint} There are: {", ".join(sorted(found))}; '
            "or give the path of a .toml file"
        )
    return found[name]


def _validated(raw: Mapping[str, Any], source: str) -> StudyConfig:
    try:
        config = StudyConfig.model_validate(
            {**raw, "start": tuple(raw["start"])} if isinstance(raw.get("start"), list) else raw
        )
    except ValidationError as error:
        raise ConfigError(f"{source}: {_explain(error)}") from None
    try:
        config.space()
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    return config


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(map(str, problem["loc"]))
        if problem["type"] == "missing":
            lines.append(f"{key} is missing")
        elif problem["type"] == "extra_forbidden":
            known = _keys(problem["loc"][:-1])
            close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f'did you mean "{close[0]}"? ' if close else ""
            lines.append(f'unknown key "{key}"; {hint}Allowed: {", ".join(known)}')
        else:
            message = problem["msg"].replace("Input should", "it should")
            lines.append(f"{key} = {problem['input']!r}: {message}")
    return "\n  ".join(lines)


def _keys(section: tuple[int | str, ...]) -> list[str]:
    model: Any = StudyConfig
    for key in section:
        model = model.model_fields[key].annotation
    return [key if key != "name" else "base" for key in model.model_fields]


def _plain(value: Any) -> Any:
    """Return ``value`` as it comes back from JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value
