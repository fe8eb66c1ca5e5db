"""The notebook of first steps, run as a user's Jupyter runs it."""

import re
from pathlib import Path

import pytest

from tests import ROOT

NOTEBOOK = ROOT / "studies" / "first-steps.ipynb"


def test_first_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calm lines, and the plot shown by itself; what is kept of its outputs is small."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    assert NOTEBOOK.stat().st_size < 100_000
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    kept = [shape(cell) for cell in notebook.cells]
    kernel = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(notebook, timeout=300, resources=kernel).execute()
    assert [shape(cell) for cell in notebook.cells] == kept
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    said = "".join(out.get("text", "") for out in outputs)
    assert re.findall(r"^[-\d]+ [:\d]+ trial (\d+): .* at epoch", said, re.MULTILINE) == list(
        "012345"
    )
    assert "\x1b" not in said
    assert "\r" not in said
    assert not [out for out in outputs if out.get("name") == "stderr"]
    assert (tmp_path / "first-steps/smoke/report/report.html").exists()


def shape(cell: dict) -> list[list[str]]:
    """Return of which kinds the outputs of a cell are."""
    kinds = (sorted(out.get("data", {"text": ""})) for out in cell.get("outputs", ()))
    return [kind for i, kind in enumerate(kinds) if kind != ["text"] or i == 0]
