"""The committed results: made by code that is committed, and shown as they are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hpo.results.metrics import NET, Metrics
from hpo.study.provenance import is_uncommitted
from tests import ROOT

RESULTS = ROOT / "studies" / "results"
OF_UNCOMMITTED_CODE = {
    "beyond/metrics.json",
    "beyond/metrics-papers-recipe.json",
    "beyond/metrics-small2.json",
    "beyond-105/metrics.json",
}
"""Of 2026-11-25, before this was asked for; the page of results says so. None may be added."""


def revisions(value: Any) -> Iterator[str]:
    """Yield every revision in a JSON value."""
    if isinstance(value, dict):
        if isinstance(value.get("revision"), str):
            yield value["revision"]
        for each in value.values():
            yield from revisions(each)
    elif isinstance(value, list):
        for each in value:
            yield from revisions(each)


def of_uncommitted_code(folder: Path) -> set[str]:
    return {
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*.json")
        if any(map(is_uncommitted, revisions(json.loads(file.read_text()))))
    }


def test_results_of_uncommitted_code_are_refused(tmp_path: Path) -> None:
    assert of_uncommitted_code(RESULTS) == OF_UNCOMMITTED_CODE
    (tmp_path / "new").mkdir()
    new = {"figures": [], "made": [{"versions": {"revision": "0123456789ab+"}}]}
    (tmp_path / "new" / "metrics.json").write_text(json.dumps(new))
    assert of_uncommitted_code(tmp_path) == {"new/metrics.json"}


def test_the_page_of_results_names_them() -> None:
    page = (RESULTS / "README.md").read_text(encoding="utf-8")
    for name in OF_UNCOMMITTED_CODE:
        assert f"`{name}`" in page, name


def rows() -> Iterator[str]:
    """Yield a row of the page's table for each committed fit, by its file."""
    for file in sorted(RESULTS.glob("*/metrics*.json")):
        metrics = Metrics.model_validate_json(file.read_bytes())
        shown = []
        for protocol, way in (("official_runs", 20), ("n_way", 20), ("verification", None)):
            accuracy = metrics.find(protocol, NET, way)
            shown.append("-" if accuracy is None else f"{100 * accuracy.mean:.1f}")
        revision = metrics.versions["revision"]
        code = "uncommitted" if is_uncommitted(revision) else f"`{revision[:7]}`"
        split = {"koch": "Koch", "lake": "Lake"}[metrics.validation]
        name = file.relative_to(RESULTS).as_posix()
        cells = [f"`{name}`", split, str(len(metrics.seeds)), *shown, code]
        yield f"| {' | '.join(cells)} |"


def test_every_committed_fit_stands_in_the_list() -> None:
    """``python -m tests.test_results`` prints the rows."""
    page = (RESULTS / "README.md").read_text(encoding="utf-8").splitlines()
    for row in rows():
        assert row in page


SHOWN = {"official runs": ("official_runs", 20), "all drawers": ("n_way", 20)}
"""The columns of the README's table of results, and what they show."""


def test_the_readmes_figures_are_those_of_their_files() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    header = next(line for line in lines if line.startswith("| | official runs"))
    columns = [cell.strip() for cell in header.split("|")[2:-1]]
    checked = 0
    for line in lines:
        linked = re.match(r"\| \[[^]]+\]\((\S+\.json)\)", line)
        if not linked:
            continue
        metrics = Metrics.model_validate_json((ROOT / linked[1]).read_bytes())
        assert metrics.validation == "koch"
        assert len(metrics.seeds) == 3
        for column, cell in zip(columns, line.split("|")[2:-1], strict=True):
            if column in SHOWN:
                accuracy = metrics.find(SHOWN[column][0], NET, SHOWN[column][1])  # type: ignore[arg-type]
                assert accuracy is not None
                mean, low, high = (100 * v for v in (accuracy.mean, accuracy.low, accuracy.high))
                assert cell.strip() == f"{mean:.1f} [{low:.1f}, {high:.1f}]", linked[1]
                checked += 1
            elif column == "trained for":
                minutes = sum(seed.seconds for seed in metrics.seeds) / 60 / len(metrics.seeds)
                assert abs(float(cell.split()[0]) - minutes) < 5
    assert checked == 6
    # The sentence at the top is of the table's first row.
    first = next(line for line in lines if "metrics.json" in line).split("|")[2].strip()
    assert f"**{first.replace(' [', ' % [')} of these" in "\n".join(lines)


if __name__ == "__main__":
    print(*rows(), sep="\n")
