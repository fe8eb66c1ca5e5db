"""Searchers of Optuna, by its ``optimize``: a pruned trial never goes on, so nothing is resumed."""

from collections.abc import Callable
from contextlib import suppress

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from hpo.study.samplers.table import quiet
from tests.benchmarks.replay.ledger import Ledger, SpentError


def searching(
    sampler: Callable[[int], BaseSampler], pruner: Callable[[], BasePruner]
) -> Callable[[Ledger, int], None]:
    """Return the search with a sampler made from a seed, and a pruner."""

    def search(ledger: Ledger, seed: int) -> None:
        def objective(trial: optuna.Trial) -> float:
            ledger.space.suggest(trial)
            accuracy = 0.0
            for epoch, accuracy in ledger.epochs(trial.params):
                trial.report(accuracy, epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
            return accuracy

        with quiet(), suppress(SpentError):
            study = optuna.create_study(
                # Hyperband takes a trial's bracket from the study's name.
                study_name=f"replay-{seed}",
                direction="maximize",
                sampler=sampler(seed),
                pruner=pruner(),
            )
            for start in ledger.space.initial_configurations:
                study.enqueue_trial(dict(start))
            study.optimize(objective)

    return search
