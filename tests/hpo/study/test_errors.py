import importlib
import pickle
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

import data
import hpo
import model
from data.errors import DataUnavailable
from hpo.study.errors import (
    ConfigError,
    DamagedFitError,
    StudyError,
    did_you_mean,
    refuse_empty,
    refuse_outside,
)
from model.errors import DeviceError


@pytest.mark.parametrize(
    ("name", "hint"),
    [("compct", '; did you mean "compact"?'), ("papr", '; did you mean "paper"?'), ("xyz", "")],
)
def test_the_nearest_name_is_offered(name: str, hint: str) -> None:
    assert did_you_mean(name, ["paper", "compact", "beyond"]) == hint


def test_a_wrong_file_is_caught_with_all_else_that_a_study_cannot_run_for() -> None:
    with pytest.raises(StudyError, match="why"):
        raise ConfigError("why")


def errors(kind: type[BaseException], packages: set[str]) -> Iterator[type[BaseException]]:
    for one in type.__subclasses__(kind):
        if one.__module__.partition(".")[0] in packages:
            yield one
        yield from errors(one, packages)


def imported(package: ModuleType) -> str:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(found.name)
    return package.__name__


def test_an_error_of_another_process_says_the_same_here() -> None:
    found = set(errors(BaseException, {imported(package) for package in (data, model, hpo)}))
    assert {StudyError, ConfigError, DamagedFitError, DataUnavailable, DeviceError} <= found
    for kind in found:
        error = kind("a file is damaged")
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (kind, str(error), vars(error))


@pytest.mark.parametrize("number", [0, -1, 1001])
def test_a_number_out_of_range_is_refused_by_its_name(number: float) -> None:
    refuse_outside(1, 1000, seeds=1, retrains=1000, trial=None)
    with pytest.raises(ConfigError, match=rf"seeds = {number}: it must be from 1 to 1,000"):
        refuse_outside(1, 1000, trial=5, seeds=number)


@pytest.mark.parametrize("value", [2.5, "3", True, float("nan")], ids=str)
def test_what_is_no_whole_number_is_refused_by_its_name(value: object) -> None:
    refuse_outside(1, 1000, seeds=np.int64(3))
    with pytest.raises(ConfigError, match=r"^seeds = .*: it must be a whole number$"):
        refuse_outside(1, 1000, seeds=value)


def test_what_is_no_number_is_refused_by_its_name() -> None:
    refuse_outside(0.1, 9, minutes=np.float32(1), length=2)
    with pytest.raises(ConfigError, match=r"^minutes = '1': it must be a number$"):
        refuse_outside(0.1, 9, minutes="1")
    with pytest.raises(ConfigError, match=r"^minutes = nan: it must be from"):
        refuse_outside(0.1, 9, minutes=float("nan"))


def test_empty_text_is_refused_by_its_name() -> None:
    refuse_empty(out="x", root=None)
    with pytest.raises(ConfigError, match=r"^root is empty; give it a value, or leave it out$"):
        refuse_empty(out="x", root="")
    with pytest.raises(ConfigError, match=r"^root is empty"):
        refuse_empty(root=" \t")
