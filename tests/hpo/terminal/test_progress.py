import io
import re
import time
from collections.abc import Sequence
from datetime import timedelta

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from rich.console import Console

from hpo.terminal.progress import StudyProgress, describe, duration, durations, log


def shown(deadline: float | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what a log file sees of a study of which one trial of 100 ends meanwhile."""
    monkeypatch.setattr("hpo.terminal.progress.LINE_SECONDS", 0.0)
    monkeypatch.setattr("hpo.terminal.progress.POLL_SECONDS", 0.02)
    study = optuna.create_study(direction="maximize")
    output = io.StringIO()
    with StudyProgress(study, 100, 3, Console(file=output, width=80), deadline):
        time.sleep(0.2)
        study.tell(study.ask(), 0.5)
        time.sleep(0.2)
    return output.getvalue()


def test_a_study_says_how_long_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown(None, monkeypatch)
    assert "trial 0: 50.0%" in said
    assert "1/100 trials  best 50.0% (trial 0)  about" in said
    assert "stops" not in said


def test_or_when_it_will_stop_if_that_is_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown(time.time() + 1, monkeypatch)
    assert re.search(r"0/100 trials  no new trial after (1.0|0.\d) s", said)
    assert "best 50.0% (trial 0)  stops in" in said
    assert "about" in shown(time.time() + 1e6, monkeypatch)


def refuse_other_time_left(
    share: float, trials: Sequence[FrozenTrial], rungs: Sequence[int], patch: pytest.MonkeyPatch
) -> None:
    """Check that such a share of the time is left in which these of 9 trials end."""
    patch.setattr("hpo.terminal.progress.LINE_SECONDS", 0.0)
    patch.setattr("hpo.terminal.progress.POLL_SECONDS", 0.02)
    study = optuna.create_study(direction="maximize")
    output = io.StringIO()
    started = time.monotonic()
    with StudyProgress(study, 9, rungs[-1], Console(file=output, width=80), rungs=rungs):
        time.sleep(0.6)
        study.add_trials(trials)
        time.sleep(0.2)
    left = re.search(r"9/9 trials .*about ([\d.]+) s left", output.getvalue())
    assert left, output.getvalue()
    assert 0.6 * share - 0.06 <= float(left[1]) <= (time.monotonic() - started) * share


def test_a_search_with_rungs_is_not_nearly_done_when_all_have_been_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 9 configurations and rungs of 1, 3 and 9 epochs, 9 epochs of 21 are trained then."""
    begun = [ended(TrialState.PRUNED, 1, number=number, paused=True) for number in range(9)]
    refuse_other_time_left(12 / 9, begun, (1, 3, 9), monkeypatch)


def test_what_ended_early_has_no_epochs_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of rungs of 3 and 9 epochs, 9 configurations train 45: 3 each that fell, 9 the complete."""
    fallen = [ended(TrialState.PRUNED, 1, number=number, diverged=True) for number in range(8)]
    complete = ended(TrialState.COMPLETE, 4, number=8)
    refuse_other_time_left(12 / 33, [*fallen, complete], (3, 9), monkeypatch)


def test_lines_have_a_time_where_they_go_to_a_file() -> None:
    for terminal, pattern in (
        (False, r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d trial 0\n"),
        (True, "trial 0\n"),
    ):
        output = io.StringIO()
        log(Console(file=output, width=80, force_terminal=terminal, highlight=False), "trial 0")
        assert re.fullmatch(pattern, output.getvalue())


def ended(state: TrialState, epochs: int = 0, **attributes: object) -> FrozenTrial:
    values = {epoch: 0.5 for epoch in range(1, epochs + 1)}
    number = attributes.pop("number")
    value = 0.5 if state == TrialState.COMPLETE else None
    trial = create_trial(
        state=state, value=value, intermediate_values=values, user_attrs=attributes
    )
    trial.number = number  # type: ignore[assignment]
    return trial


def test_an_interrupted_trial_says_how_it_goes_on() -> None:
    fail, complete, running = TrialState.FAIL, TrialState.COMPLETE, TrialState.RUNNING
    first, second = ended(fail, 3, number=0), ended(fail, 0, number=1)
    both = [first, second]
    last = "from its last checkpoint"
    assert describe(first, both) == f"trial 0: interrupted after epoch 3, resumes as trial 2 {last}"
    assert describe(second, both) == "trial 1: interrupted, starts anew as trial 3"
    retry = ended(running, 4, number=4, retry_of=0, resumed_after_epoch=3)
    said = describe(first, [first, second, ended(complete, number=2), ended(fail, number=3), retry])
    assert said == "trial 0: interrupted, resumes as trial 4 after epoch 3"
    assert describe(ended(fail, number=0, failure="broken")) == "trial 0: failed: broken"


def test_the_time_of_a_trial_is_that_of_training_and_validation() -> None:
    trial = ended(TrialState.COMPLETE, 2, number=0, seconds=42.0, best_epoch=1)
    trial.datetime_start = trial.datetime_complete - timedelta(seconds=500)  # type: ignore[operator]
    assert describe(trial) == "trial 0: 50.0% at epoch 1 of 2, 42 s"


def test_durations_side_by_side_have_one_unit() -> None:
    assert durations([30, 600]) == ["0.5 min", "10.0 min"]
    assert durations([30, 60]) == ["30.0 s", "60.0 s"]
    assert durations([1800, 36000]) == ["0.5 h", "10.0 h"]
    assert durations([1, 180]) == ["0.02 min", "3.00 min"]
    assert durations([0.0, 0.4]) == ["0.0 s", "0.4 s"]
    assert durations([]) == []


def test_durations() -> None:
    assert [duration(s) for s in (300, 7500, 1e6)] == ["5 min", "2:05 h", "12 days"]
    assert [duration(s) for s in (0.31, 5, 9.94, 9.96, 45)] == (
        ["0.3 s", "5.0 s", "9.9 s", "10 s", "45 s"]
    )
    assert [duration(s) for s in (0, 1e-7, 0.02, 0.099)] == ["0 s", "0 s", "0.02 s", "0.1 s"]
