"""A table of learning curves, as `tests.benchmarks.fidelity` writes it, and the study it is of."""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpo.study.config import StudyConfig
from hpo.study.errors import ConfigError
from hpo.study.files import changed
from hpo.study.space.catalogue import Value, catalogue
from model.training.cost import training_flops_per_pair, within_cost
from tests.benchmarks.fidelity import accuracies

_ROUNDING = 1e-4
"""In TFLOP; the table has four decimals."""


@dataclass(frozen=True, eq=False)
class Table:
    """Configurations of a study's space, each trained to its end.

    Attributes:
        digest: SHA-256 of the file.
        config: the study's, with the budget that the table was measured with.
        params: what each configuration samples, by name.
        best: best accuracy up to each epoch ``[configurations, epochs]``, in [0, 1].
    """

    digest: str
    config: StudyConfig
    params: tuple[dict[str, Value], ...]
    best: np.ndarray

    @property
    def epochs(self) -> int:
        """Of a whole training."""
        return int(self.best.shape[1])

    def teraflops_per_epoch(self, params: Mapping[str, Value]) -> float:
        """Return the arithmetic of an epoch of any configuration, by the study's own cost model."""
        hyperparameters = self.config.space().hyperparameters(params)
        architecture, batch = hyperparameters.architecture, hyperparameters.recipe.pairs_per_batch
        pairs = within_cost(self.config.training_budget(), architecture).pairs_per_epoch
        trained = max(1, pairs // batch) * batch
        return training_flops_per_pair(architecture) * trained / 1e12


def read(file: Path, config: StudyConfig) -> Table:
    """Return the table in ``file``, whose study is ``config`` but for the number of epochs.

    Raises:
        ConfigError: there is no such file, or it is of another space or budget.
    """
    curves, content = accuracies(file), file.read_bytes()
    rows = list(csv.DictReader(content.decode().splitlines()))
    epochs = curves.shape[1]
    config = changed(config, [f"budget.epochs={epochs}", f"budget.patience={epochs}"])
    params = tuple(_params(file, row, config, number) for number, row in enumerate(rows, 1))
    digest = hashlib.sha256(content).hexdigest()
    table = Table(digest, config, params, np.maximum.accumulate(curves, axis=1))
    for number, (row, values, curve) in enumerate(zip(rows, params, curves, strict=True), 1):
        told, known = _cost(file, row, number), table.teraflops_per_epoch(values)
        # One that diverged in its first epoch did not train it to its end.
        diverged = told < known and curve.min() == curve.max()
        if not diverged and abs(told - known) > _ROUNDING:
            raise ConfigError(
                f"{file}: row {number}: teraflops_per_epoch is {told:g}, but by study "
                f"{config.name} {known:.4f}; give the budget that it was measured with, such as "
                "--set budget.teraflops=150"
            )
    return table


def _cost(file: Path, row: Mapping[str, str], number: int) -> float:
    cost = row.get("teraflops_per_epoch")
    try:
        return float(cost or "")
    except ValueError:
        what = "there is none" if cost is None else f"{cost!r} is no number"
        raise ConfigError(f"{file}: row {number}: teraflops_per_epoch: {what}") from None


def _params(
    file: Path, row: Mapping[str, str], config: StudyConfig, number: int
) -> dict[str, Value]:
    space = config.space()
    try:
        given = {
            name: _parsed(name, row[name]) for name in space.searched if row.get(name, "") != ""
        }
        if (used := space.used(given)).keys() != given.keys():
            extra = next(name for name in given if name not in used)
            raise ConfigError(f"{extra} is not searched in this configuration")
    except (ConfigError, ValueError) as error:
        raise ConfigError(f"{file}: row {number}: {error}") from None
    return used


def _parsed(name: str, text: str) -> Value:
    kind = catalogue()[name].kind
    if kind == "bool":
        return text == "True"
    return {"int": int, "float": float, "str": str}[kind](text)
