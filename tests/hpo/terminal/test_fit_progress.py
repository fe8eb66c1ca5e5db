import io

import pytest
from rich.console import Console

import hpo.terminal.fit_progress
from hpo.terminal.fit_progress import FitProgress
from tests.hpo.support import epoch_result


def test_a_log_file_has_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("hpo.terminal.fit_progress.time.monotonic", lambda: now[0])
    output = io.StringIO()
    history = [epoch_result(n, 0.5 + n / 10) for n in (1, 2, 3)]
    with FitProgress(Console(file=output, width=100, markup=False), 2) as progress:
        tell = progress("trial 7, seed 0", 4)
        tell(history[:1])
        now[0] += hpo.terminal.fit_progress.LINE_SECONDS + 1
        tell(history[:2])
        tell(history)
        progress("trial 7, seed 1", 4)(history[:1])
        progress.say("[brackets] as they are")
    assert [line[20:] for line in output.getvalue().splitlines()] == [
        "1/2 trial 7, seed 0: epoch 2 of 4  best 70.0%  about 4.0 s left",
        "[brackets] as they are",
    ]


def test_a_terminal_has_a_bar_for_the_fit_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with FitProgress(console, 2) as progress:
        progress("trial 7, seed 0", 4)([epoch_result(1, 0.5)])
        progress("trial 7, seed 1", 4)([epoch_result(1, 0.5), epoch_result(2, 0.25)])
        (task,) = progress._bars.tasks
        assert (task.description, task.completed, task.total) == (
            "2/2 trial 7, seed 1, epochs",
            2,
            4,
        )
        assert task.fields["note"] == "best 50.0%  about 4.0 s left"


def test_tests_have_progress_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("hpo.terminal.fit_progress.time.monotonic", lambda: now[0])
    output = io.StringIO()
    with FitProgress(Console(file=output, width=100), 1) as progress:
        tell = progress.testing(3)
        for step in ("net 1 of 1", "baselines, 5-way"):
            now[0] += hpo.terminal.fit_progress.LINE_SECONDS + 1
            tell(step)
    assert [line[20:] for line in output.getvalue().splitlines()] == [
        "testing",
        "testing: 1 of 3, net 1 of 1",
        "testing: 2 of 3, baselines, 5-way",
    ]
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with FitProgress(console, 2) as progress:
        tell = progress.testing(3)
        tell("net 1 of 2")
        tell("net 2 of 2")
        (task,) = progress._bars.tasks
        assert (task.description, task.completed, task.total) == ("testing", 1, 3)
        assert task.fields["note"] == "net 2 of 2"
