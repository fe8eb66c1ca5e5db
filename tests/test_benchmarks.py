import json
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS, main


def test_the_harness_runs_at_toy_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All but start-up, which is a whole process of its own."""
    names = [name for name in BENCHMARKS if name != "startup"]
    file = tmp_path / "rows.json"
    assert main(["--toy", "--json", str(file), *(f"--only={name}" for name in names)]) == 0
    rows = json.loads(file.read_text())["rows"]
    assert {row["benchmark"] for row in rows} == set(names)
    printed = capsys.readouterr().out
    for row in rows:
        assert row["values"], row["what"]
        assert row["what"] in printed
