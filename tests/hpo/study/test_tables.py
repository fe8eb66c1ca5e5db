"""A row added to the tables of samplers and pruners is known everywhere."""

import ast
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from hpo.study.samplers.table import PRUNERS, SAMPLERS
from tests import ROOT
from tests.python import run_python

BENCHMARKS = ROOT / "tests" / "benchmarks"

# In a process of its own, as the commands read the tables when they are imported.
SCRIPT = """
import json, sys
from pathlib import Path
import hpo.study.samplers.table as tables

def sampler(seed, startup):
    used.append("sampler")
    return tables.SAMPLERS["random"].make(seed, startup)

def pruner(epochs, startup, rungs):
    from optuna.pruners import ThresholdPruner
    used.append("pruner")
    return ThresholdPruner(lower=1.1)

used = []
tables.SAMPLERS["mine"] = tables.SamplerRow(sampler, True, "a sampler that was added")
tables.PRUNERS["strict"] = tables.PrunerRow(pruner, "a pruner that was added")

from typer.testing import CliRunner
import hpo
from hpo.study.files import load
from hpo.study.open import open_finished
from run_study import app
from tests.benchmarks.harness import Context
from tests.benchmarks.samplers import ARMS, default_arms
import tests.benchmarks.search as timed

out = Path(sys.argv[1])
found = {}

def command(*arguments):
    result = CliRunner().invoke(app, [*arguments, "--device", "cpu", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.replace("│", " ").split())

found["help"] = command("--help")
options = ("--study", "smoke", "--sampler", "mine", "--pruner", "strict")
found["dry run"] = command(*options, "--dry-run")
assert not used
command(*options, "--trials", "1")
study = hpo.Study("smoke", out=out, sampler="mine", pruner="strict")
found["states"] = [trial.state.name for trial in study.optuna.trials]
found["used"] = sorted(set(used))
file = out / "own.toml"
file.write_text('base = "smoke"\\n[search]\\nsampler = "mine"\\npruner = "strict"\\n')
search = load(str(file)).search
found["study file"] = [search.sampler, search.pruner]
found["arms"] = [*ARMS]
found["default arms"] = default_arms(str(file))
timed._time_trials = lambda *_: [1.0]
timed.estimate_seconds = lambda *_: 1.0
import torch
context = Context(torch.device("cpu"), "toy", [], [])
found["timed"] = [row.what for row in timed.search(context)]
print(json.dumps(found))
"""


def test_a_row_added_to_each_table_is_known_everywhere(tmp_path: Path) -> None:
    wide = {**os.environ, "TERMINAL_WIDTH": "2000"}  # else the help breaks words
    done = run_python(["-c", SCRIPT, tmp_path], cwd=ROOT, env=wide)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for words in ("random|mine", "asha|strict", "pruned trials: tpe, mine."):
        assert words in found["help"]
    for words in ("mine: a sampler that was added", "strict: a pruner that was added"):
        assert words in found["help"]
    assert "sampler mine, pruner strict" in found["dry run"]
    # Pruned after its first epoch: the command has used both rows.
    assert found["states"] == ["PRUNED"]
    assert found["used"] == ["pruner", "sampler"]
    assert found["study file"] == ["mine", "strict"]
    assert {"mine+none", "mine+strict", "gp+strict"} <= set(found["arms"])
    assert {"mine+strict", "gp+strict", "mine+none"} <= set(found["default arms"])
    assert any(what.startswith("mine, ") for what in found["timed"])


@pytest.mark.parametrize("table", [SAMPLERS, PRUNERS], ids=["samplers", "pruners"])
def test_no_second_list_names_the_rows(table: Mapping[str, object]) -> None:
    for file in (ROOT / "run_study.py", *ROOT.glob("hpo/**/*.py"), *BENCHMARKS.glob("*.py")):
        nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
        rows = set(table) & texts
        assert (len(rows) > 1) == (file == ROOT / "hpo/study/samplers/table.py"), file
