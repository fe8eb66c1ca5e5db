import math
import warnings
from pathlib import Path
from statistics import median

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from hpo.study.samplers.cmaes import CmaEsSampler, _Encoding
from hpo.study.samplers.table import make_sampler
from tests import ROOT
from tests.python import run_python

STARTUP = 10
SPACE = {
    "rate": FloatDistribution(1e-4, 1, log=True),
    "share": FloatDistribution(-0.5, 1, step=0.25),
    "dropout": FloatDistribution(0, 1),
    "units": IntDistribution(16, 256, step=16),
    "kernel": IntDistribution(1, 64, log=True),
    "head": CategoricalDistribution(("l1", "l2", "cosine")),
    "padded": CategoricalDistribution((False, True)),
}


def bowl(trial: optuna.Trial) -> float:
    """Return at most 0, at (0.01, 0.7, 192, 16, "l2", True)."""
    value = -((math.log10(trial.suggest_float("rate", 1e-4, 1, log=True)) + 2) ** 2) / 4
    value -= 2 * (trial.suggest_float("dropout", 0, 1) - 0.7) ** 2
    value -= ((trial.suggest_int("units", 16, 256, step=16) - 192) / 240) ** 2
    value -= ((math.log2(trial.suggest_int("kernel", 1, 64, log=True)) - 4) / 6) ** 2
    value -= 0.3 * (trial.suggest_categorical("head", ["l1", "l2", "cosine"]) != "l2")
    return value - 0.2 * (not trial.suggest_categorical("padded", [False, True]))


def searched(kind: type[CmaEsSampler] | None, seed: int, trials: int) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    for number in range(trials):
        each = 1000 * seed + number
        study.sampler = kind(each, STARTUP) if kind else RandomSampler(seed=each)
        trial = study.ask()
        study.tell(trial, bowl(trial))
    return study


def proposal(study: optuna.Study, sampler: BaseSampler) -> dict[str, object]:
    """Return what the sampler would try next, the study left as it was."""
    other = optuna.create_study(direction="maximize", sampler=sampler)
    other.add_trials(study.trials)
    return dict(other.ask(SPACE).params)


def test_it_finds_more_than_chance_among_numbers_and_choices() -> None:
    found, chance = (
        [searched(kind, seed, 60) for seed in range(3)] for kind in (CmaEsSampler, None)
    )
    assert median(s.best_value for s in found) > median(s.best_value for s in chance) / 2
    # The distribution has moved, choices included, and not just kept one lucky draw.
    late = [[t.value or 0.0 for t in study.trials[-20:]] for study in (*found, *chance)]
    assert median(map(median, late[:3])) > median(map(median, late[3:])) / 2
    heads = [t.params["head"] for study in found for t in study.trials[-20:]]
    assert heads.count("l2") > len(heads) / 2


def test_a_proposal_follows_from_the_trials_and_the_seed() -> None:
    study = searched(CmaEsSampler, 0, 40)
    assert proposal(study, CmaEsSampler(5, STARTUP)) == proposal(study, CmaEsSampler(5, STARTUP))
    assert proposal(study, CmaEsSampler(5, STARTUP)) != proposal(study, CmaEsSampler(6, STARTUP))
    shorter = searched(CmaEsSampler, 0, 25)
    assert proposal(study, CmaEsSampler(5, STARTUP)) != proposal(shorter, CmaEsSampler(5, STARTUP))


def test_pruned_and_running_trials_are_left_out() -> None:
    study = searched(CmaEsSampler, 0, 30)
    before = proposal(study, CmaEsSampler(5, STARTUP))
    for _ in range(STARTUP):
        trial = study.ask()
        bowl(trial)
        trial.report(1.0, 1)
        study.tell(trial, state=TrialState.PRUNED)
    bowl(study.ask())
    assert proposal(study, CmaEsSampler(5, STARTUP)) == before


_CONTINUE = """
import sys, optuna
from hpo.study.samplers.table import make_sampler
from tests.hpo.study.samplers.test_cmaes import bowl
study = optuna.load_study(study_name="x", storage=sys.argv[1], sampler=make_sampler("cmaes", 5))
study.optimize(bowl, n_trials=6)
"""


def test_another_process_continues_where_one_stopped(tmp_path: Path) -> None:
    studies = []
    for name, first in (("whole", 18), ("broken", 12)):
        url = f"sqlite:///{tmp_path / name}.db"
        study = optuna.create_study(
            study_name="x", storage=url, direction="maximize", sampler=make_sampler("cmaes", 5)
        )
        study.optimize(bowl, n_trials=first)
        studies.append(study)
    done = run_python(["-c", _CONTINUE, url], cwd=ROOT)
    assert done.returncode == 0, done.stderr
    whole, broken = ([t.params for t in study.trials] for study in studies)
    assert len(whole) == 18
    assert broken == whole


@pytest.mark.parametrize("choices", [True, False])
def test_a_study_sampled_by_optunas_cmaes_continues(choices: bool) -> None:
    def objective(trial: optuna.Trial) -> float:
        if choices:
            return bowl(trial)
        return -((trial.suggest_float("x", 0, 1) - 0.2) ** 2) - trial.suggest_int("n", 1, 9)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = optuna.samplers.CmaEsSampler(seed=0, n_startup_trials=5)
        study = optuna.create_study(direction="maximize", sampler=theirs)
        study.optimize(objective, n_trials=20)
    assert any(key.startswith("cma") for t in study.trials for key in t.system_attrs)
    study.sampler = make_sampler("cmaes", 5)
    study.optimize(objective, n_trials=20)
    assert all(t.state == TrialState.COMPLETE for t in study.trials)
    assert not any(t.system_attrs for t in study.trials[20:])


def test_conditional_parameters_and_single_numbers_are_drawn_at_random() -> None:
    def conditional(trial: optuna.Trial) -> float:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        if trial.suggest_categorical("kind", ["plain", "bent"]) == "bent":
            y += trial.suggest_float("bend", 0, 1)
        return x - y

    def narrow(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", 0, 1) - trial.suggest_categorical("c", [1, 2])

    for objective in (conditional, narrow):
        study = optuna.create_study(direction="maximize", sampler=make_sampler("cmaes", 4))
        study.optimize(objective, n_trials=30)
        drawn = [
            t.params["bend" if objective is conditional else "x"]
            for t in study.trials
            if objective is narrow or t.params["kind"] == "bent"
        ]
        assert len(set(drawn)) == len(drawn) > 1


def test_it_goes_on_after_it_has_converged() -> None:
    study = optuna.create_study(direction="maximize")
    for number in range(150):
        study.sampler = CmaEsSampler(number, 4)
        trial = study.ask()
        study.tell(trial, -trial.suggest_float("x", 0, 1) - trial.suggest_float("y", 0, 1) // 2)
    assert study.best_value > -1e-3


@given(st.data())
def test_every_point_is_a_configuration_and_every_configuration_a_point(
    data: st.DataObject,
) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(SPACE)), min_size=1, unique=True))
    encoding = _Encoding({name: SPACE[name] for name in names})
    shares = [data.draw(st.floats(0, 1)) for _ in encoding.numbers]
    rows = [data.draw(st.integers(0, count - 1)) for count in encoding.options]
    picked = [each.choices[row] for each, row in zip(encoding.choices.values(), rows, strict=True)]
    point = encoding.encode(
        dict(zip(encoding.choices, picked, strict=True))
        | {name: number.low for name, number in encoding.numbers.items()}
    )
    params = encoding.decode((shares, point[1]) if rows else shares)
    assert [params[name] for name in encoding.choices] == picked
    for name, value in params.items():
        assert SPACE[name]._contains(SPACE[name].to_internal_repr(value)), (name, value)
    again = encoding.decode(encoding.encode(params))
    assert again == pytest.approx(params)
