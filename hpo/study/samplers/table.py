"""The samplers and the pruners that a study may name: one table of each.

A row added here is known to study files, to the command line and its help, to `hpo.Study`, and to
the benchmarks.

How each sampler treats trials that are not complete, read from the source of Optuna 5:

- ``gp`` fits complete trials only, counts only them as start-up, and holds the proposals of
  running trials as pending (a batch acquisition), so that workers do not ask the same twice.
- ``tpe`` ranks pruned trials by how far they came and how well, below every complete one, and
  counts running ones as bad (its constant liar).
- ``cmaes`` (our own, `CmaEsSampler`) learns from complete trials only and does not see running
  ones; conditional parameters are drawn at random.
- ``random`` looks at no trial.

Under ``asha`` each sees all configurations as complete trials, by their values at the highest rung
that ``startup`` of them came to: measured, or expected of those that stopped below it
(`hpo.study.samplers.seen.seen_from`).
Under ``hyperband`` a sampler sees only the trials of the new trial's own bracket, and so draws
its start-up trials once for each bracket; under ``halving``, which is its one hasty bracket, it
sees all of them.
"""

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler


@dataclass(frozen=True)
class SamplerRow:
    """One row of the table of samplers.

    Attributes:
        make: from (seed, start-up trials) to an Optuna sampler.
        learns_from_pruned: whether it learns from pruned trials as well as from complete ones.
        summary: one line for help and documents.
    """

    make: Callable[[int, int], "BaseSampler"]
    learns_from_pruned: bool
    summary: str


@dataclass(frozen=True)
class PrunerRow:
    """One row of the table of pruners.

    Attributes:
        make: from (a trial's maximum of epochs, start-up trials, number of rungs) to an Optuna
            pruner.
        summary: one line for help and documents.
        prunes: whether it ever stops a trial.
        rungs: from (a trial's maximum of epochs, number of rungs) to those epochs after which
            trials are paused, to be promoted later; None for a pruner that stops them for good.
    """

    make: Callable[[int, int, int], "BasePruner"]
    summary: str
    prunes: bool = True
    rungs: Callable[[int, int], tuple[int, ...]] | None = None


def _gp(seed: int, startup: int) -> "BaseSampler":
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False)


def _tpe(seed: int, startup: int) -> "BaseSampler":
    from optuna.samplers import TPESampler

    # Each parameter by itself, so that what is good in one trial meets what is good in another.
    # Sampled together, dozens of parameters stay near whole configurations seen early: in a
    # search of 41 of them, 30 proposals in a row were cousins of the fastest starters.
    # And few that count as good, as Bergstra et al. (2011) have it: of a hundred random trials
    # hardly one learns, and a tenth of all would outvote it.
    return TPESampler(
        seed=seed,
        n_startup_trials=startup,
        multivariate=False,
        gamma=lambda trials: math.ceil(0.25 * math.sqrt(trials)),
    )


def _cmaes(seed: int, startup: int) -> "BaseSampler":
    from hpo.study.samplers.cmaes import CmaEsSampler

    return CmaEsSampler(seed, startup)


def _random(seed: int, startup: int) -> "BaseSampler":
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def _none(epochs: int, startup: int, rungs: int) -> "BasePruner":
    from optuna.pruners import NopPruner

    return NopPruner()


def _median(epochs: int, startup: int, rungs: int) -> "BasePruner":
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=startup, n_warmup_steps=max(1, epochs // 10))


def _halving(epochs: int, startup: int, rungs: int) -> "BasePruner":
    from optuna.pruners import SuccessiveHalvingPruner

    # Much earlier, what learns is not told from what does not: an untrained net, its weights drawn
    # as they should be, scores 37 % of 20-way trials.
    return SuccessiveHalvingPruner(min_resource=max(1, epochs // 9), reduction_factor=3)


def _hyperband(epochs: int, startup: int, rungs: int) -> "BasePruner":
    from optuna.pruners import HyperbandPruner

    return HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)


def _asha_rungs(epochs: int, rungs: int) -> tuple[int, ...]:
    from hpo.study.samplers.asha import rungs_of

    return rungs_of(epochs, rungs)


def _asha(epochs: int, startup: int, rungs: int) -> "BasePruner":
    from hpo.study.samplers.asha import PromotionPruner

    return PromotionPruner(_asha_rungs(epochs, rungs))


SAMPLERS: Mapping[str, SamplerRow] = {
    "gp": SamplerRow(
        _gp, False, "Gaussian process, expected improvement: nearest to the paper's search"
    ),
    "tpe": SamplerRow(_tpe, True, "tree-structured Parzen estimator: fast, good with choices"),
    "cmaes": SamplerRow(_cmaes, False, "covariance matrix adaptation: for many trials"),
    "random": SamplerRow(_random, False, "independent draws: the baseline"),
}

PRUNERS: Mapping[str, PrunerRow] = {
    "none": PrunerRow(_none, "every trial runs to its end, as in the paper", prunes=False),
    "median": PrunerRow(_median, "stops a trial below the median of the earlier ones at its epoch"),
    "halving": PrunerRow(_halving, "keeps the best third at a ninth and at a third of the epochs"),
    "hyperband": PrunerRow(_hyperband, "stops most trials after few epochs, in brackets"),
    "asha": PrunerRow(
        _asha,
        "pauses trials at a third of the epochs, a ninth and so on; the best third goes on",
        rungs=_asha_rungs,
    ),
}


def trial_seed(study_seed: int, ordinal: int) -> int:
    """Return the seed of the study's configuration number ``ordinal``, in [0, 2^31)."""
    return _derived(study_seed, ordinal)


def make_sampler(name: str, startup: int, rungs: Sequence[int] = ()) -> "BaseSampler":
    """Return the sampler of the table's row ``name``, seeded anew for each trial.

    ``rungs`` are those of a pruner that promotes; see `PrunerRow`.

    Its draws depend on the trial's seed and the trials before alone, not on what this process has
    drawn: a study that was stopped and goes on proposes what an unbroken one would.
    """
    from hpo.study.samplers.seeded import SeededSampler

    row = SAMPLERS[name]

    def make(seed: int) -> "BaseSampler":
        with quiet():
            return row.make(_derived(seed, "sampler"), startup)

    if not rungs:
        return SeededSampler(make)
    from hpo.study.samplers.seen import seen_from

    return SeededSampler(make, lambda study: seen_from(study, rungs, startup))


@contextmanager
def quiet() -> Iterator[None]:
    """Hide warnings of experimental and of deprecated features, which a user cannot help."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _derived(seed: int, what: Any) -> int:
    digest = hashlib.sha256(f"{seed}/{what}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 2**31
