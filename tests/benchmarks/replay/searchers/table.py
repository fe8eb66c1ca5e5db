"""Every searcher that is compared, a row each, with what it is asked through and what it pays."""

import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import GPSampler, RandomSampler, TPESampler

from hpo.study.errors import ConfigError
from hpo.study.provenance import VERSION
from tests.benchmarks.replay.ledger import Ledger
from tests.benchmarks.replay.searchers import as_study, with_optuna, with_smac, with_syne_tune

OURS = "siamese-hpo"
REFERENCE = "optuna"
"""The row whose result at the end the others are measured by."""

GROUPS = {"Optuna": ("optuna",), "SMAC3, Syne Tune": ("smac", "syne-tune"), "ours": (OURS,)}
"""The columns of the plot, and the packages of each."""

_STOPPED = "a pruned trial is stopped for good, and nothing is trained twice"
_RESUMED = "a promoted trial resumes from its checkpoint and pays for the added epochs"
_ANEW = "a configuration on a higher rung is trained anew and paid for anew"


@dataclass(frozen=True)
class Searcher:
    """One row.

    Attributes:
        run: spends a ledger, with a seed.
        package: its distribution on PyPI.
        summary: what it is.
        pays: what a configuration that is trained further pays.
    """

    run: Callable[[Ledger, int], None]
    package: str
    summary: str
    pays: str = _STOPPED

    @property
    def version(self) -> str | None:
        """Of its package, None if it is not installed."""
        if self.package == OURS:
            return VERSION
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return None


def _optuna(sampler: Callable[..., object], pruner: Callable[[], object], summary: str) -> Searcher:
    run = with_optuna.searching(lambda seed: sampler(seed=seed), pruner)  # type: ignore
    return Searcher(run, "optuna", summary)


def _ours(sampler: str, pruner: str) -> Searcher:
    return Searcher(
        as_study.searching(sampler, pruner),
        OURS,
        f"a study with the sampler {sampler} and the pruner {pruner}",
        _RESUMED if pruner == "asha" else _STOPPED,
    )


SEARCHERS: Mapping[str, Searcher] = {
    "optuna": _optuna(TPESampler, MedianPruner, "its defaults: TPE and the median pruner"),
    "optuna-hyperband": _optuna(TPESampler, HyperbandPruner, "TPE and the Hyperband pruner"),
    "optuna-gp": _optuna(GPSampler, NopPruner, "its Gaussian process, every trial to its end"),
    "random": _optuna(RandomSampler, NopPruner, "random draws, every trial to its end"),
    "smac": Searcher(
        with_smac.searching(resumes=False), "smac", "its multi-fidelity facade", _ANEW
    ),
    "smac-resumed": Searcher(
        with_smac.searching(resumes=True),
        "smac",
        "the same, if whoever uses it keeps checkpoints",
        _RESUMED,
    ),
    "syne-tune-asha": Searcher(
        with_syne_tune.searching("ASHA"), "syne-tune", "ASHA, which stops trials, random draws"
    ),
    "syne-tune-bohb": Searcher(
        with_syne_tune.searching("BOHB"), "syne-tune", "ASHA with BOHB's kernel densities"
    ),
    "tpe+asha": _ours("tpe", "asha"),
    "gp+asha": _ours("gp", "asha"),
    "tpe+halving": _ours("tpe", "halving"),
    "gp+halving": _ours("gp", "halving"),
}


def refuse_missing(names: Iterable[str]) -> None:
    """Refuse searchers whose packages are not installed.

    Raises:
        ConfigError: says which, and how to install them.
    """
    missing = [name for name in names if SEARCHERS[name].version is None]
    if missing:
        packages = sorted({SEARCHERS[name].package for name in missing})
        raise ConfigError(
            f"{', '.join(missing)}: not installed: {', '.join(packages)}; "
            'pip install -e ".[replay]", or choose others with --searcher'
        )
