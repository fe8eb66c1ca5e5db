import io

import pytest
from rich.console import Console

from hpo.terminal.fit_progress import FitProgress
from tests.hpo.search.artifacts.test_notes import result


def test_a_log_file_has_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpo.terminal.fit_progress.LINE_SECONDS", 0.0)
    output = io.StringIO()
    with FitProgress(Console(file=output, width=80), fits=2) as progress:
        for seed in range(2):
            tell = progress(f"trial 3, seed {seed}", 4)
            tell([result(1, 0.5), result(2, 0.4)])
        progress.say("[done]")
    lines = output.getvalue().splitlines()
    assert lines == [
        "1/2 trial 3, seed 0: epoch 2 of 4  best 50.0%  about 4 s left",
        "2/2 trial 3, seed 1: epoch 2 of 4  best 50.0%  about 4 s left",
        "[done]",
    ]


def test_lines_are_as_rare_as_their_interval() -> None:
    output = io.StringIO()
    with FitProgress(Console(file=output, width=80), fits=1) as progress:
        progress("seed 0", 2)([result(1, 0.5)])
    assert output.getvalue() == ""
