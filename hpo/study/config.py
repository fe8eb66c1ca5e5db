"""A study file: read, checked once, then frozen."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from data.sources.request import Background, DrawerNames, SplitBy
from hpo.study.errors import ConfigError, did_you_mean
from hpo.study.samplers.table import PRUNERS, SAMPLERS
from hpo.study.space.domains import read
from hpo.study.space.search_space import SearchSpace, search_space
from model.hyperparameters import Budget, Count

FOLDER = "folder"
"""What an identity calls any folder of the user's own: it is its content, wherever it lies."""


def _row_of(table: Mapping[str, object]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in table:
            allowed = ", ".join(table) + did_you_mean(name, table)
            raise PydanticCustomError("row", "it should be one of {allowed}", {"allowed": allowed})
        return name

    return AfterValidator(check)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "it should not be empty")
    return text


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Data(_Section):
    """What a study learns from: the arguments of ``data.sources.table.load`` and of the split."""

    dataset: Annotated[str, AfterValidator(_not_blank)] = "auto"
    background: Background = "full"
    image_size: int = Field(ge=8, le=256)
    drawers: Literal["paper", "all"] = "paper"
    drawer_names: DrawerNames = "auto"
    validation: SplitBy = "koch"

    def source(self) -> dict[str, Any]:
        """Return the arguments of ``data.sources.table.load`` that say what is loaded."""
        return self.model_dump(include={"dataset", "background", "drawer_names"})


class Validation(_Section):
    """The one-shot trials that decide, and the pairs of the verification accuracy beside them."""

    way: int = Field(20, ge=2, le=1000)
    trials: Count = 320
    variant: Literal["two_drawers", "all_drawers"] = "two_drawers"
    verification_pairs: Count = 1000


def _budget_section(name: str, *, partial: bool) -> type[_Section]:
    """Return the section whose keys are a budget's; None stands for what a partial one leaves."""
    keys: dict[str, Any] = {}
    for key, hint in get_type_hints(Budget, include_extras=True).items():
        optional = partial or type(None) in get_args(hint)
        keys[key] = (hint | None, None) if optional else (hint, ...)
    return create_model(name, __base__=_Section, **keys)


if TYPE_CHECKING:
    from model.hyperparameters import Budget as FinalBudget
    from model.hyperparameters import Budget as TrialBudget
else:
    TrialBudget = _budget_section("TrialBudget", partial=False)
    FinalBudget = _budget_section("FinalBudget", partial=True)


_LATER = (("data", "drawer_names", "auto"), ("data", "validation", "koch"), ("search", "rungs", 4))
"""Keys of later versions, with what a study of before them was run with."""


class Search(_Section):
    """Which sampler proposes, which pruner stops, for how many trials."""

    sampler: Annotated[str, _row_of(SAMPLERS)] = "gp"
    pruner: Annotated[str, _row_of(PRUNERS)] = "none"
    trials: Count = 200
    startup: int = Field(20, ge=1, le=10_000)
    rungs: int = Field(4, ge=1, le=10)
    seed: int = Field(0, ge=0, lt=2**31)


class StudyConfig(_Section):
    """Everything about a study but where it is kept.

    Example:
        >>> config = load("compact")
        >>> config.space().searched["fc.units"].high
        2048
    """

    name: str
    description: str = ""
    data: Data
    budget: TrialBudget
    validation: Validation
    search: Search
    final: FinalBudget = Field(default_factory=FinalBudget)
    parameters: dict[str, Any]
    start: tuple[dict[str, Any], ...] = ()

    def space(self) -> SearchSpace:
        """Return the search space of ``[parameters]``, built and checked once in a process.

        Raises:
            ConfigError: a parameter is wrong, or some configuration cannot be trained.
        """
        return search_space(self.parameters, self.start, image_size=self.data.image_size)

    def training_budget(self) -> Budget:
        """Return ``[budget]`` as what a trainer takes."""
        return Budget(**dict(self.budget))  # type: ignore[call-overload]

    def final_budget(self) -> Budget:
        """Return the final fit's budget: a trial's, but for what ``[final]`` says."""
        budget = replace(self.training_budget(), seconds=None, teraflops=None)
        given = {key: value for key, value in self.final if value is not None}  # type: ignore[attr-defined]
        return replace(budget, **given)

    def rungs(self) -> tuple[int, ...]:
        """Return the epochs after which trials are paused, to be promoted later; see `PrunerRow`.

        The last is a trial's end. There are none where the pruner stops trials for good.
        """
        row = PRUNERS[self.search.pruner]
        return row.rungs(self.budget.epochs, self.search.rungs) if row.rungs else ()

    def changed(self, **options: Any) -> "StudyConfig":
        """Return the config with a command's options in it; None leaves what is there.

        They are ``dataset``, ``background``, ``drawer_names``, ``sampler``, ``pruner``, ``seed``,
        ``trials``.
        """
        raw = self.model_dump()
        for option, value in options.items():
            if value is not None:
                section = "data" if option in Data.model_fields else "search"
                raw[section][option] = value
        return validated(raw, "the command line")

    def identity(self) -> dict[str, Any]:
        """Return what makes this study this study, as plain JSON values with dotted keys.

        A study is resumed only with the same identity. The total of trials, the description and the
        place of a folder of images may change.
        """
        from data.sources.table import is_folder  # with torch, which --help does not need

        sections = self.model_dump(mode="json", include={"data", "budget", "validation", "search"})
        del sections["search"]["trials"]
        if is_folder(self.data.dataset):
            sections["data"]["dataset"] = FOLDER
        if not self.rungs():
            del sections["search"]["rungs"]  # nothing hangs on it
        # Left out at their defaults, since studies of earlier versions do not have them.
        for section, key, default in _LATER:
            if sections[section].get(key) == default:
                del sections[section][key]
        # Left out where unset, so that a limit of a later version does not make a study another.
        flat = _flat(sections)
        for name, specification in read(self.parameters).items():
            said = {k: v for k, v in vars(specification).items() if v not in ({}, None)}
            flat[f"parameters.{name}"] = said
        for i, start in enumerate(self.space().initial_configurations):
            flat[f"start.{i}"] = start
        plain: dict[str, Any] = json.loads(json.dumps(flat))
        return plain

    def beside_identity(self) -> dict[str, Any]:
        """Return, as `identity` does, what else of the config a command needs later."""
        return _flat(self.model_dump(mode="json", include={"final": True, "search": {"trials"}}))


SECTIONS = {
    name: list(field.annotation.model_fields)
    for name, field in StudyConfig.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, _Section)
}
"""The keys of each section of a study file but ``[parameters]``."""


def validated(raw: Mapping[str, Any], source: str = "") -> StudyConfig:
    """Return the config of ``raw``, the content of a study file.

    Raises:
        ConfigError: it is wrong; says in ``source``, if given, which key and why.
    """
    where = f"{source}: " if source else ""
    try:
        config = StudyConfig.model_validate(
            {**raw, "start": tuple(raw["start"])} if isinstance(raw.get("start"), list) else raw
        )
    except ValidationError as error:
        raise ConfigError(f"{where}{_explain(error)}") from None
    try:
        config.space()
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None
    return config


def spelled_out(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity that may be another version's, to compare it with one of this version.

    What it leaves out has its default, and what nothing hangs on is left out.
    """
    whole: dict[str, Any] = {f"{section}.{key}": default for section, key, default in _LATER}
    whole |= {key: value for key, value in identity.items() if value is not None}
    pruner = PRUNERS.get(whole.get("search.pruner", ""))
    if pruner is not None and pruner.rungs is None:
        del whole["search.rungs"]
    return whole


def of_identity(
    name: str, identity: Mapping[str, Any], beside: Mapping[str, Any], description: str
) -> StudyConfig:
    """Return the config of a study's identity and of what stands beside it.

    A folder of images is not in it; ``auto`` stands in for it.

    Raises:
        ConfigError: another version has written what this one cannot read.
    """
    from data.sources.table import is_folder

    raw: dict[str, Any] = {"name": name, "description": description, "parameters": {}}
    starts: dict[int, Any] = {}
    for key, value in {**identity, **beside}.items():
        section, _, rest = key.partition(".")
        if section == "start":
            starts[int(rest)] = value
        elif section == "parameters":
            raw[section][rest] = specified(value)
        elif value is not None:
            raw.setdefault(section, {})[rest] = value
    if is_folder(raw.get("data", {}).get("dataset", "auto")):
        raw["data"]["dataset"] = "auto"
    return validated(
        {**raw, "start": [starts[i] for i in sorted(starts)]}, f"study {name} in its database"
    )


def specified(plain: Mapping[str, Any]) -> Any:
    """Return what a study file says of a parameter, from what an identity does."""
    if "value" in plain:
        return plain["value"]
    return {"choices" if key == "options" else key: value for key, value in plain.items()}


def _flat(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section, keys in sections.items()
        for key, value in keys.items()
        if value is not None
    }


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(map(str, problem["loc"]))
        if problem["type"] == "missing":
            lines.append(f"{key} is missing")
        elif problem["type"] == "extra_forbidden":
            known = _keys(problem["loc"][:-1])
            hint = did_you_mean(str(problem["loc"][-1]), known) or "."
            lines.append(f'unknown key "{key}"{hint} Allowed: {", ".join(known)}')
        else:
            message = problem["msg"].replace("Input should", "it should")
            lines.append(f"{key} = {problem['input']!r}: {message}")
    return "\n  ".join(lines)


def _keys(section: tuple[int | str, ...]) -> list[str]:
    model: Any = StudyConfig
    for key in section:
        model = model.model_fields[key].annotation
    return [key if key != "name" else "base" for key in model.model_fields]
