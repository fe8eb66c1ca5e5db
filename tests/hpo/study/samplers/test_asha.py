import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from hpo.study.samplers.asha import (
    PromotionPruner,
    behind,
    epochs_in_all,
    may_go_on,
    rungs_of,
    standings,
    to_promote,
)
from hpo.study.trials import enqueue_promotion
from tests.hpo.study.samplers.support import RUNGS, at_rung, lost


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(direction="maximize", pruner=PromotionPruner(RUNGS))


@given(st.integers(1, 10_000), st.integers(1, 10))
def test_rungs_rise_to_the_end(epochs: int, count: int) -> None:
    rungs = rungs_of(epochs, count)
    assert rungs[-1] == epochs
    assert len(rungs) <= count
    assert list(rungs) == sorted(set(rungs))
    assert rungs[0] >= 1
    if epochs % 27 == 0:
        assert rungs_of(epochs, 4) == (epochs // 27, epochs // 9, epochs // 3, epochs)


def test_epochs_in_all_are_those_of_a_search_in_which_a_third_goes_on() -> None:
    assert epochs_in_all(27, (1, 3, 9, 27)) == 27 + 9 * 2 + 3 * 6 + 18
    assert epochs_in_all(1, (1, 3, 9)) == 9


def test_standings_count_each_configuration_once_with_its_best_up_to_the_rung() -> None:
    trials = [
        at_rung(0, 0.5),
        at_rung(1, 0.7),
        at_rung(2, 0.6),
        at_rung(3, 0.7, 0.9, 0.8, of=1),  # the second from its checkpoint
        at_rung(4, 0.5),
    ]
    assert standings(trials, 1) == [1, 2, 0, 4]
    assert standings(trials, 3) == [1]
    assert standings([*trials, at_rung(5, 0.1, 0.95, 0.2)], 3) == [5, 1]


def test_who_ran_out_of_patience_below_a_rung_counts_there() -> None:
    """Else the others would wait for more to come to it than ever will."""
    ended = [at_rung(n, 0.5, 0.6, state=TrialState.COMPLETE) for n in (0, 1)]
    paused = at_rung(2, 0.5, 0.6, 0.7)
    assert standings([*ended, paused], 3) == [2, 0, 1]
    assert to_promote([*ended, paused], RUNGS, settled=False) is paused
    # It may be the best there, and has come to its end.
    better = at_rung(0, 0.5, 0.8, state=TrialState.COMPLETE)
    assert to_promote([better, paused], RUNGS, settled=True) is None


def test_the_best_third_goes_on_at_once_and_the_others_are_paused(study: optuna.Study) -> None:
    paused = []
    for value in (0.5, 0.4, 0.6, 0.3, 0.55, 0.7):
        trial = study.ask()
        trial.report(value, 1)
        paused.append(trial.should_prune())
    # At the first two there is no third; 0.55 is the second of five, of which one goes on.
    assert paused == [True, True, False, True, True, False]
    # Between rungs and at the last nothing is paused.
    trial.report(0.0, 2)
    assert not trial.should_prune()
    trial.report(0.0, 9)
    assert not trial.should_prune()


def test_who_was_promoted_is_not_paused_again_on_its_way(study: optuna.Study) -> None:
    """Its checkpoint may lie on another machine: then it trains anew, past rungs that it passed."""
    first = study.ask()
    first.report(0.5, 1)
    enqueue_promotion(study, study.trials[0])
    again = study.ask()
    again.report(0.5, 1)
    assert not again.should_prune()
    again.report(0.5, 3)
    assert again.should_prune()


def test_the_highest_rung_is_promoted_first_and_places_are_a_third() -> None:
    low = [at_rung(n, value) for n, value in enumerate((0.5, 0.4, 0.6))]
    promoted = to_promote(low, RUNGS, settled=False)
    assert promoted is not None
    assert promoted.number == 2
    assert to_promote(low[:2], RUNGS, settled=False) is None
    high = [at_rung(n, 0.9, 0.9, 0.5 + n / 100, of=n - 3) for n in (3, 4, 5)]
    promoted = to_promote([*low, *high], RUNGS, settled=False)
    assert promoted is not None
    assert promoted.number == 3  # of equals the earlier configuration


def test_what_has_gone_on_runs_or_fell_is_not_promoted() -> None:
    low = [at_rung(n, value) for n, value in enumerate((0.5, 0.4, 0.6))]
    for state in (TrialState.RUNNING, TrialState.WAITING, TrialState.FAIL, TrialState.COMPLETE):
        going_on = at_rung(3, 0.6, state=state, of=2)
        assert to_promote([*low, going_on], RUNGS, settled=False) is None
    low[2].user_attrs.clear()  # diverged
    assert to_promote(low, RUNGS, settled=False) is None


def test_who_is_behind_the_best_at_the_rung_before_does_not_go_on(study: optuna.Study) -> None:
    """A third is always someone's, also where all but one learn nothing."""
    trials = [at_rung(0, 0.5, 0.6, 0.7), *(at_rung(n, 0.3, 0.3, 0.4) for n in range(1, 6))]
    third = at_rung(6, 0.3, 0.3, 0.45)
    trials.append(third)
    assert standings(trials, 3)[:2] == [0, 6]
    assert behind(third, 3, trials, RUNGS)
    assert not behind(trials[0], 3, trials, RUNGS)
    going_on = at_rung(7, 0.5, 0.6, 0.7, state=TrialState.RUNNING, of=0)
    assert to_promote([*trials, going_on], RUNGS, settled=False) is None
    # It is not, if it has what the best had: less training may do.
    level = at_rung(6, 0.3, 0.3, 0.5)
    assert to_promote([*trials[:6], level, going_on], RUNGS, settled=False) is level
    # When nothing else is left, it is the one that reaches the end.
    fallen = at_rung(7, 0.5, 0.6, state=TrialState.FAIL, of=0)
    only = at_rung(1, 0.3, 0.3, 0.4)
    assert to_promote([fallen, only], RUNGS, settled=False) is None
    assert to_promote([fallen, only], RUNGS, settled=True) is only
    # At the lowest rung it is the third of its epochs that counts, and after one there is none.
    low = (3, 9)
    assert behind(at_rung(1, 0.1, 0.1, 0.4), 3, trials, low)
    assert not behind(at_rung(1, 0.4), 1, trials, RUNGS)
    # The pruner pauses it there, though it is the third of nine.
    for trial in trials:
        study.add_trial(trial)
    asked = study.ask()
    for epoch, value in enumerate((0.6, 0.45, 0.45), 1):
        asked.report(value, epoch)
    assert not asked.should_prune()
    asked = study.ask()
    for epoch, value in enumerate((0.3, 0.5, 0.5), 1):
        asked.report(value, epoch)
    assert asked.should_prune()


def test_when_all_is_settled_one_goes_on_to_the_end() -> None:
    (only,) = [at_rung(0, 0.5)]
    assert to_promote([only], RUNGS, settled=False) is None
    assert to_promote([only], RUNGS, settled=True) is only
    second = at_rung(1, 0.5, 0.6, 0.6, of=0)
    assert to_promote([only, second], RUNGS, settled=True) is second


def test_who_fell_holds_back_nobody(study: optuna.Study) -> None:
    """A failed or diverged configuration has no value to be behind."""
    paused = [at_rung(n, 0.3, 0.3, 0.4 + n / 100) for n in range(1, 7)]
    diverged = at_rung(0, 0.9, 0.9)
    diverged.user_attrs.clear()
    failed = [at_rung(0, 0.9), at_rung(7, 0.9, state=TrialState.FAIL, of=0)]
    for fallen in ([diverged], failed):
        assert not behind(paused[5], 3, [*fallen, *paused], RUNGS)
        assert to_promote([*fallen, *paused], RUNGS, settled=False) is paused[5]
    # One that died is tried again, and counts until then.
    again = at_rung(8, state=TrialState.WAITING, of=0)
    assert behind(paused[5], 3, [*failed, again, *paused], RUNGS)
    # What collapsed counts with its best epoch.
    collapsed = at_rung(0, 0.9, 0.1, state=TrialState.COMPLETE)
    assert behind(paused[5], 3, [collapsed, *paused], RUNGS)


@given(st.lists(st.lists(st.integers(1, 9), min_size=3, max_size=3), min_size=1), st.data())
def test_one_reaches_the_end_unless_all_fall(curves: list[list[int]], data: st.DataObject) -> None:
    """A curve has a value for each rung, in tenths."""
    epochs = [[0.1 * values[i] for i in (0, 0, 1, 1, 1, 1, 1, 1, 2)] for values in curves]
    trials = [at_rung(number, curve[0]) for number, curve in enumerate(epochs)]
    fallen = set()
    while paused := to_promote(trials, RUNGS, settled=True):
        number = paused.user_attrs.get("retry_of", paused.number)
        reached = RUNGS[RUNGS.index(paused.last_step or 0) + 1]
        state = TrialState.COMPLETE if reached == RUNGS[-1] else TrialState.PRUNED
        if data.draw(st.booleans()):
            state, reached = TrialState.FAIL, paused.last_step or 0
            fallen.add(number)
        trials.append(at_rung(len(trials), *epochs[number][:reached], state=state, of=number))
    ended = any(trial.state == TrialState.COMPLETE for trial in trials)
    assert ended == (len(fallen) < len(curves))


def test_checkpoints_are_kept_of_those_that_may_go_on() -> None:
    trials = [at_rung(n, n / 100) for n in range(30)]
    kept = may_go_on(trials, RUNGS)
    assert kept == set(range(8, 30))
    trials.append(at_rung(30, 0.3, state=TrialState.COMPLETE, of=29))
    assert may_go_on(trials, RUNGS) == kept - {29}


@pytest.mark.parametrize("how", ["diverged", "collapsed"])
def test_who_is_lost_leaves_its_place(how: str) -> None:
    low = [at_rung(n, value) for n, value in enumerate((0.5, 0.4, 0.6, 0.3, 0.45, 0.2))]
    fallen = lost(at_rung(6, 0.6, 0.1, of=2), how)
    early = lost(at_rung(7, 0.9), how)
    trials = [*low, fallen, early]
    assert standings(trials, 1) == [0, 4, 1, 3, 5]
    promoted = to_promote(trials, RUNGS, settled=False)
    assert promoted is low[0]
    # Nor are others behind it.
    assert not behind(at_rung(8, 0.4, 0.4, 0.5), 3, [*low[3:], fallen, early], RUNGS)
