import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from hpo.study.samplers.asha import PromotionPruner
from hpo.study.samplers.seen import seen_from
from hpo.study.samplers.table import make_sampler
from hpo.study.trials import enqueue_promotion
from tests.hpo.study.samplers.support import RUNGS, at_rung, lost


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(direction="maximize")


def seen(*trials: FrozenTrial, startup: int) -> dict[int, float | None]:
    """Return the values that a sampler sees, by number; None of one that runs."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    return {trial.number: trial.value for trial in seen_from(study, RUNGS, startup).trials}


def placed(trial: FrozenTrial, x: float) -> FrozenTrial:
    """Return the trial with another value of its parameter ``x``, in [0, 1]."""
    trial.params["x"] = x
    return trial


def test_a_sampler_sees_the_highest_rung_that_enough_came_to() -> None:
    low = [at_rung(number, 0.1 * number) for number in range(6)]
    trials = *low, at_rung(6, 0.5, 0.2, 0.8, of=5), at_rung(7, state=TrialState.RUNNING)
    values = [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert seen(*trials, startup=2) == pytest.approx({**dict(enumerate(values)), 7: None})
    # Only number 5 went on, and gained 0.8 / 0.5.
    values = [0, 0.16, 0.32, 0.48, 0.64, 0.8]
    assert seen(*trials, startup=1) == pytest.approx({**dict(enumerate(values)), 7: None})


def test_what_stopped_below_is_seen_as_what_those_near_it_gained() -> None:
    """Which is nothing where they got stuck, and never more than the best of them have."""
    stuck, gains = (0.40, 0.4, 0.4), (0.40, 0.5, 0.8)
    places = {0: (stuck, 0.0), 1: (gains, 1.0), 2: ((0.3,), 0.01), 3: ((0.3,), 0.99)}
    places |= {4: ((0.3,), 0.5), 5: ((0.45,), 1.0)}
    trials = [placed(at_rung(n, *values), x) for n, (values, x) in places.items()]
    runs = placed(at_rung(6, 0.2, 0.1, state=TrialState.RUNNING), 0.5)
    found = seen(*trials, runs, startup=2)
    assert found[0], found[1] == (0.4, 0.8)
    assert found == pytest.approx(
        {0: 0.4, 1: 0.8, 2: 0.3, 3: 0.6, 4: 0.45, 5: 0.8, 6: 0.3}, abs=0.002
    )


def test_what_has_come_to_more_than_any_at_the_higher_rung_keeps_it() -> None:
    ends = [at_rung(0, 0.4, 0.4, 0.5), at_rung(1, 0.4, 0.4, 0.6)]
    assert seen(*ends, at_rung(2, 0.9), startup=2) == {0: 0.5, 1: 0.6, 2: 0.9}


def test_who_ran_out_of_patience_has_the_value_that_it_ended_with() -> None:
    """It is not expected to gain what others did, had it gone on; nor are those near it."""
    gains = placed(at_rung(0, 0.4, 0.5, 0.8), 0.0)
    ended = placed(at_rung(1, 0.45, 0.5, state=TrialState.COMPLETE), 0.9)
    found = seen(gains, ended, placed(at_rung(2, 0.3), 0.9), startup=1)
    assert found == pytest.approx({0: 0.8, 1: 0.5, 2: 0.3 * 0.5 / 0.45}, abs=0.001)


def test_choices_and_what_only_one_has_are_far_apart() -> None:
    domain = CategoricalDistribution(["pairs", "episodes"])

    def choosing(number: int, option: str, *values: float, way: float | None = None) -> FrozenTrial:
        trial = at_rung(number, *values)
        trial.params, trial.distributions = {"batch": option}, {"batch": domain}
        if way is not None:
            trial.params["way"] = way
            trial.distributions["way"] = FloatDistribution(1, 100, log=True)
        return trial

    trials = [
        choosing(0, "pairs", 0.2, 0.2, 0.2),
        choosing(1, "episodes", 0.2, 0.2, 0.4, way=1),
        choosing(2, "episodes", 0.2, 0.2, 0.8, way=100),
        choosing(3, "pairs", 0.1),
        choosing(4, "episodes", 0.1, way=1),
        choosing(5, "episodes", 0.1, way=10),
    ]
    found = seen(*trials, startup=3)
    assert found[3] == pytest.approx(0.1, abs=0.001)
    assert found[4] == pytest.approx(0.2, abs=0.001)
    assert found[5] == pytest.approx(0.1 * (4 * 2 + 4 * 4 + 0.4) / 8.4, abs=0.02)


@pytest.mark.parametrize(
    "domain", [FloatDistribution(0, 1), CategoricalDistribution([*"abcdefgh"])]
)
def test_of_what_only_one_has_the_kind_does_not_count(
    domain: FloatDistribution | CategoricalDistribution,
) -> None:
    """A choice of eight is no farther from nothing than a number is."""
    without = at_rung(0, 0.2, 0.2, 0.2), at_rung(1, 0.2, 0.2, 0.4), at_rung(2, 0.1)
    for trial, x in zip(without, (0, 1, 0), strict=True):
        placed(trial, x)
    without[0].params["y"] = "a" if isinstance(domain, CategoricalDistribution) else 0.0
    without[0].distributions["y"] = domain
    # Number 1 differs in one parameter, as number 0 does: it is as near.
    assert seen(*without, startup=2)[2] == pytest.approx(0.1 * 1.5)


def test_what_waits_to_go_on_keeps_its_parameters(study: optuna.Study) -> None:
    """It has none itself until it runs, and without them a sampler would draw at random."""
    for number in range(3):
        study.add_trial(at_rung(number, 0.1 * number))
    enqueue_promotion(study, study.trials[2])
    assert study.trials[3].state == TrialState.WAITING
    shown = seen_from(study, RUNGS, startup=1).trials
    assert [trial.params for trial in shown] == [trial.params for trial in study.trials[:3]]


def test_a_space_of_nothing_is_seen_as_well() -> None:
    trials = [at_rung(0, 0.2, 0.2, 0.4), at_rung(1, 0.1)]
    for trial in trials:
        trial.params, trial.distributions = {}, {}
    assert seen(*trials, startup=1) == pytest.approx({0: 0.4, 1: 0.2})


@pytest.mark.parametrize("how", ["diverged", "collapsed"])
def test_who_is_lost_teaches_that_it_was_bad(how: str) -> None:
    """The rates that are just too large are the fastest at a low rung."""
    low = [at_rung(n, value) for n, value in enumerate((0.5, 0.4, 0.6, 0.3, 0.45, 0.2))]
    fallen, early = lost(at_rung(6, 0.6, 0.1, of=2), how), lost(at_rung(7, 0.9), how)
    values = {0: 0.5, 1: 0.4, 2: 0.2, 3: 0.3, 4: 0.45, 5: 0.2, 7: 0.2}
    assert seen(*low, fallen, early, startup=1) == pytest.approx(values)


@pytest.mark.parametrize("sampler", ["gp", "tpe"])
def test_a_search_does_not_ask_the_same_twice(sampler: str) -> None:
    """Though all its later configurations stop below the rung that its sampler looks at."""
    study = optuna.create_study(
        direction="maximize",
        sampler=make_sampler(sampler, 4, RUNGS),
        pruner=PromotionPruner(RUNGS),
    )
    for number in range(4):
        study.add_trial(at_rung(number, 0.3 + 0.01 * number, 0.4, 0.5 + 0.01 * number))
    asked = []
    for _ in range(4):
        trial = study.ask({"x": FloatDistribution(0, 1)})
        asked.append(trial.params["x"])
        trial.report(0.3, RUNGS[0])
        trial.set_user_attr("paused", True)
        study.tell(trial, state=TrialState.PRUNED)
    assert len({round(x, 2) for x in asked}) == len(asked)
