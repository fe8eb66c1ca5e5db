import warnings
from pathlib import Path
from typing import Any, Self

import optuna
import pytest
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState

from hpo.search.workers.queue import next_trial
from hpo.study.samplers.table import PRUNERS, SAMPLERS, make_sampler, trial_seed
from hpo.study.storage.location import StudyLocation

EPOCHS = 9
TRIALS = 10


def objective(trial: optuna.Trial) -> float:
    """A bowl over a number, a count, a choice, and a conditional number."""
    x = trial.suggest_float("x", 1e-3, 1, log=True)
    n = trial.suggest_int("n", 16, 64, step=16)
    kind = trial.suggest_categorical("kind", ["plain", "bent"])
    bend = trial.suggest_float("bend", 0, 1) if kind == "bent" else 0.5
    value = 1 - abs(x - 0.1) - n / 640 - abs(bend - 0.3) / 10
    for epoch in range(1, EPOCHS + 1):
        trial.report(value * epoch / EPOCHS, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


class Memory(InMemoryStorage):
    """A database for one process, with the claim of ours, and much quicker."""

    @property
    def _backend(self) -> Self:
        return self

    def claim(self, trial_id: int, key: str, value: Any) -> bool:
        self.set_trial_system_attr(trial_id, key, value)
        return self.set_trial_state_values(trial_id, TrialState.RUNNING)


def opened(storage: BaseStorage, sampler: str, pruner: str = "none") -> optuna.Study:
    """Return the storage's study as a new process would open it."""
    return optuna.create_study(
        study_name="x",
        storage=storage,
        direction="maximize",
        load_if_exists=True,
        sampler=make_sampler(sampler, 3),
        pruner=PRUNERS[pruner].make(EPOCHS, 3, 2),
    )


def run(study: optuna.Study, out: Path, total: int, seed: int = 0) -> None:
    while (trial := next_trial(study, StudyLocation("x", out), total, seed=seed)) is not None:
        try:
            value = objective(trial)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value)


def outcomes(study: optuna.Study) -> list[tuple[object, ...]]:
    return [(t.state, t.value, tuple(t.params.items())) for t in study.trials]


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_same_seed_same_study_broken_or_not(sampler: str, pruner: str, tmp_path: Path) -> None:
    whole, broken, other = (Memory() for _ in range(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(opened(whole, sampler, pruner), tmp_path, TRIALS)
        for total in (1, 5, TRIALS):
            run(opened(broken, sampler, pruner), tmp_path, total)
        run(opened(other, sampler, pruner), tmp_path, TRIALS, seed=1)
    expected = outcomes(opened(whole, sampler, pruner))
    assert len(expected) == TRIALS
    assert outcomes(opened(broken, sampler, pruner)) == expected
    assert outcomes(opened(other, sampler, pruner)) != expected
    assert len({params for _, _, params in expected}) == TRIALS, "a configuration came twice"
    # Nothing in the database needs unpickling.
    keys = {key for trial in opened(whole, sampler, pruner).trials for key in trial.system_attrs}
    assert not any("optimizer" in key for key in keys)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "random"])
def test_samplers_that_learn_beat_chance_on_a_bowl(sampler: str, tmp_path: Path) -> None:
    def best(name: str, total: int) -> float:
        study = opened(Memory(), name)
        while (trial := next_trial(study, StudyLocation("x", tmp_path), total, seed=3)) is not None:
            x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
            study.tell(trial, -((x - 0.3) ** 2) - (y - 0.7) ** 2)
        return study.best_value

    total = 40 if sampler == "cmaes" else 20
    assert best(sampler, total) > best("random", total)


@pytest.mark.parametrize(
    "sampler", [name for name, row in SAMPLERS.items() if row.learns_from_pruned]
)
def test_the_table_is_right_about_pruned_trials(sampler: str) -> None:
    proposed = set()
    for bad in (0.1, 0.9):
        study = optuna.create_study(direction="maximize", sampler=make_sampler(sampler, 2))
        for i in range(20):
            x = bad if i % 2 else 0.5
            study.add_trial(
                optuna.trial.create_trial(
                    state=TrialState.PRUNED if i % 2 else TrialState.COMPLETE,
                    value=float(i % 2 == 0),
                    params={"x": x + i / 100},
                    distributions={"x": optuna.distributions.FloatDistribution(0, 2)},
                    intermediate_values={1: 0.0},
                )
            )
        proposed.add(study.ask().suggest_float("x", 0, 2))
    assert len(proposed) == 2


def test_seeds_of_trials_do_not_meet() -> None:
    seeds = {trial_seed(study, ordinal) for study in range(20) for ordinal in range(100)}
    assert len(seeds) == 2000
