"""A sampler made anew for each trial, from the trial's own seed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from hpo.study.trials import seed_of


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread while the block runs.

    The matrices of a Gaussian process over a few hundred trials are so small that threads cost
    more than they bring, and several times as much where trainings keep the cores busy.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class SeededSampler(BaseSampler):
    """Hands each trial to a fresh sampler seeded by the trial's user attribute ``seed``.

    Optuna's samplers are seeded once and keep state in memory (random numbers drawn, the last
    fit), which a study resumed in another process has lost: it would draw its first configurations
    again. Made anew, a sampler knows what the database knows and nothing else: all of it, or what
    ``view`` shows of the study.
    """

    def __init__(
        self, make: Callable[[int], BaseSampler], view: Callable[[Study], Study] | None = None
    ):
        self._make, self._view = make, view
        self._sampler = make(0)
        self._seen: Study | None = None

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Make the sampler of this trial."""
        # A trial that someone else queued has no seed of ours.
        self._sampler = self._make(trial.number if (seed := seed_of(trial)) is None else seed)
        self._seen = self._view(study) if self._view else None
        self._sampler.before_trial(self._seen or study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what is sampled together: nothing, of a trial that has its values."""
        if trial.params:
            return {}
        return self._sampler.infer_relative_search_space(self._seen or study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters sampled together."""
        with _one_thread():
            return self._sampler.sample_relative(self._seen or study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return one parameter sampled by itself."""
        study = self._seen or study
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Let the sampler record what it wants."""
        self._sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Do nothing: each trial brings its seed."""
