"""The replay of a table of learning curves: what is installed, on a table that is made here."""

import hashlib
import importlib.metadata
import importlib.util
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from PIL import Image

import hpo.training.data
from hpo.results.costs import costed_trials
from hpo.search.workers.worker import work
from hpo.study.errors import ConfigError
from hpo.study.files import load
from hpo.study.open import open_finished
from hpo.study.provenance import versions
from hpo.study.storage.location import StudyLocation
from tests.benchmarks import fidelity
from tests.benchmarks.replay.__main__ import main
from tests.benchmarks.replay.ledger import Ledger, SpentError
from tests.benchmarks.replay.results import reaching
from tests.benchmarks.replay.searchers.as_study import search_at
from tests.benchmarks.replay.searchers.flat import from_flat, to_flat
from tests.benchmarks.replay.searchers.table import OURS, SEARCHERS
from tests.benchmarks.replay.surrogate import Surrogate, encoded
from tests.benchmarks.replay.table import Table, read
from tests.curves import made_up
from tests.hpo.support import tiny_dataset, tiny_job


def table_of(file: Path, study: str, *settings: str) -> Table:
    return read(file, load(study, settings))


@pytest.fixture
def surrogate(tmp_path: Path) -> Surrogate:
    return Surrogate(table_of(*made_up(tmp_path)), "nearest")


def test_a_table_is_read_as_it_was_measured(tmp_path: Path) -> None:
    table = table_of(*made_up(tmp_path))
    assert len(table.params) == 40
    assert table.epochs == 27
    assert {"recipe.way" in params for params in table.params} == {True, False}
    assert (np.diff(table.best, axis=1) >= 0).all()


def test_the_arithmetic_is_that_of_real_trainings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hpo.training.data, "load", lambda **_: tiny_dataset())
    job = tiny_job(tmp_path, 4)
    work(job)
    file = tmp_path / "table.csv"
    rows = fidelity.rows_of(StudyLocation("tiny", tmp_path))
    # It is written with four decimals, which is too coarse for so small a net.
    exact = {t.seed: t.flops for t in costed_trials(open_finished(StudyLocation("tiny", tmp_path)))}
    fidelity.write(rows, file)
    table = read(file, job.run.config)
    for row, params in zip(rows, table.params, strict=True):
        whole = table.teraflops_per_epoch(params) * table.epochs
        assert whole == pytest.approx(exact[row["seed"]] / 1e12, rel=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", "cannot be read as a table"),
        ("accuracy_", "loss_", "accuracy_1"),
        (",pairs,", ",triplets,", "recipe.batch"),
        (",pairs,,", ",pairs,7,", "recipe.way is not searched"),
        (",12,", ",13,", "outside its search space"),
        ("teraflops_per_epoch", "gigaflops", "row 1: teraflops_per_epoch: there is none"),
        (",12,", ",4,", "teraflops_per_epoch is .* --set budget.teraflops"),
    ],
)
def test_what_is_no_table_of_the_study_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    file, study = made_up(tmp_path, 6)
    if old:
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
    else:
        file.unlink()
    options = ["--searcher", "random", "--surrogate", "nearest", "--teraflops", "1"]
    with pytest.raises(SystemExit):
        main([str(file), "--study", study, *options, "--out", str(tmp_path / "out")])
    told = capsys.readouterr().err
    assert str(file) in told
    assert re.search(said, told), told


def test_a_table_of_another_budget_is_refused(tmp_path: Path) -> None:
    file, study = made_up(tmp_path, 6)
    with pytest.raises(ConfigError, match=r"--set budget\.teraflops"):
        table_of(file, study, "budget.teraflops=0.2")


def test_the_nearest_row_is_a_row_itself_and_conditions_count(surrogate: Surrogate) -> None:
    for params, curve in zip(surrogate.table.params, surrogate.table.best, strict=True):
        assert (surrogate(params)[0] == curve).all()
        assert surrogate(params)[1] == surrogate.table.teraflops_per_epoch(params)
    batches = [params["recipe.batch"] for params in surrogate.table.params]
    inactive = np.isnan(encoded(surrogate.space, surrogate.table.params)).any(1)
    assert inactive.tolist() == [batch == "pairs" for batch in batches]


def test_numbers_are_encoded_on_the_scale_that_they_are_searched_on(surrogate: Surrogate) -> None:
    start = dict(surrogate.space.initial_configurations[0])
    ends = [start | {"recipe.rate_factor": 1e-2}, start | {"recipe.rate_factor": 10.0}]
    middle = start | {"recipe.rate_factor": math.sqrt(0.1)}
    low, high, between = encoded(surrogate.space, [*ends, middle])
    assert np.nansum(high - low) == pytest.approx(1)
    assert np.nansum(between - low) == pytest.approx(0.5)


def test_errors_are_those_of_rows_left_out(surrogate: Surrogate) -> None:
    nearest, mean = surrogate.errors["nearest"], surrogate.errors["mean"]
    assert list(nearest.points) == [1, 3, 9, 27]
    assert 0 < nearest.points[27] < mean.points[27]
    assert nearest.spearman is not None
    assert 0.1 < nearest.spearman < 1


def test_a_forest_is_taken_where_its_error_is_smaller(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason='pip install -e ".[replay]"')
    found = Surrogate(table_of(*made_up(tmp_path, 20)))
    errors = {name: found.errors[name].points[27] for name in ("forest", "nearest")}
    assert found.kind == min(errors, key=lambda name: errors[name])


class Noted(Ledger):
    """Keeps what was trained: every configuration's every epoch, in order."""

    def epochs(self, params: Mapping[str, Any], after: int = 0) -> Iterator[tuple[int, float]]:
        for epoch, accuracy in super().epochs(params, after):
            self.__dict__.setdefault("trained", []).append((frozenset(params.items()), epoch))
            yield epoch, accuracy


def test_a_ledger_charges_the_epochs_trained_and_no_more_than_there_is(
    surrogate: Surrogate,
) -> None:
    params = surrogate.table.params[0]
    cost = surrogate.table.teraflops_per_epoch(params)
    ledger = Ledger(surrogate, 12.5 * cost)
    curve = surrogate(params)[0]
    assert ledger.train(params, 3, resumes=True) == curve[2]
    assert ledger.train(params, 9, resumes=True) == curve[8]
    assert ledger.spent == pytest.approx(9 * cost)
    assert ledger.points[-1] == pytest.approx((9 * cost, curve[8], curve[-1]))
    with pytest.raises(SpentError):
        ledger.train(params, 9, resumes=False)
    assert ledger.spent == pytest.approx(12 * cost)


def test_a_configuration_comes_back_from_plain_terms(surrogate: Surrogate) -> None:
    for params in surrogate.table.params:
        assert from_flat(surrogate.space, to_flat(surrogate.space, params)) == params
    assert to_flat(surrogate.space, {"conv1.filters": 12})["conv1.filters"] == 2


@pytest.mark.parametrize("name", SEARCHERS)
def test_a_searcher_spends_what_it_has_and_repeats_itself(name: str, surrogate: Surrogate) -> None:
    searcher = SEARCHERS[name]
    if searcher.version is None:
        pytest.skip(f'{searcher.package} is not installed: pip install -e ".[replay]"')
    # Hyperband's first bracket needs some trials to stop one; a Gaussian process takes its time.
    teraflops = 0.8 if searcher.package == OURS else 2.5
    first, again, other = (Noted(surrogate, teraflops) for _ in range(3))
    for ledger, seed in ((first, 0), (again, 0), (other, 1)):
        searcher.run(ledger, seed)
    trained = first.__dict__["trained"]
    assert trained == again.__dict__["trained"] != other.__dict__["trained"]
    assert teraflops - 0.1 < first.spent <= teraflops
    start = frozenset(surrogate.space.initial_configurations[0].items())
    if searcher.package != "smac":  # whose own random configurations come first
        assert trained[0][0] == start
    if name not in ("smac", "smac-resumed"):
        assert len(set(trained)) == len(trained), "an epoch was paid for twice"
    seen = [accuracy for _, accuracy, _ in first.points]
    assert seen == sorted(seen)


def test_a_promoted_trial_pays_for_the_added_epochs_alone(surrogate: Surrogate) -> None:
    ledger = Noted(surrogate, 3.0)
    SEARCHERS["tpe+asha"].run(ledger, 0)
    trained = ledger.__dict__["trained"]
    starts = [epoch for i, (c, epoch) in enumerate(trained) if i == 0 or trained[i - 1][0] != c]
    assert {1, 2, 4} <= set(starts)
    assert len(set(trained)) == len(trained)


@pytest.mark.parametrize("pruner", ["asha", "halving"])
def test_the_study_decides_as_one_in_a_database(
    tmp_path: Path, surrogate: Surrogate, pruner: str
) -> None:
    in_memory, in_database = Noted(surrogate, 0.6), Noted(surrogate, 0.6)
    SEARCHERS[f"tpe+{pruner}"].run(in_memory, 3)
    search_at(StudyLocation("replay", tmp_path), "tpe", pruner, in_database, 3)
    assert in_memory.__dict__["trained"] == in_database.__dict__["trained"]
    assert (tmp_path / "replay/study.db").exists()


def test_what_each_needs_for_what_the_reference_has_at_the_end() -> None:
    points = {
        "optuna": [[(1.0, 0.5, 0.9), (8.0, 0.7, 0.8)], [(2.0, 0.6, 0.6), (6.0, 0.8, 0.8)]],
        "fast": [[(2.0, 0.75, 0.9)], [(3.0, 0.9, 0.9)]],
        "slow": [[(9.0, 0.6, 0.9)], [(9.0, 0.9, 0.9)], []],
    }
    aim, reach = reaching(points, "optuna")
    assert aim == 0.7
    assert (reach["optuna"].teraflops, reach["optuna"].ratio) == (6.0, 1.0)
    assert (reach["fast"].teraflops, reach["fast"].ratio, reach["fast"].reached) == (2.0, 3.0, 2)
    assert (reach["slow"].teraflops, reach["slow"].ratio) == (math.inf, 0)
    assert reach["fast"].at_the_end == pytest.approx(0.825)


def test_the_command_writes_a_plot_and_all_of_it_and_does_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, study = made_up(tmp_path)
    out = tmp_path / "out"
    names = ("optuna", "random", "tpe+halving")
    command = [str(file), "--study", study, "--surrogate", "nearest", "--out", str(out)]
    command += [f"--searcher={name}" for name in names]
    assert main([*command, "--teraflops", "2", "--seeds", "1"]) == 0
    assert main([*command, "--teraflops", "2", "--seeds", "2"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("optuna, seed 1000") == printed.count("optuna, seed 1001") == 1
    assert "mean absolute error in points" in printed
    kept = json.loads((out / "replay.json").read_text())
    assert sorted((run["searcher"], run["seed"]) for run in kept["runs"]) == [
        (name, seed) for name in names for seed in (1000, 1001)
    ]
    assert kept["table"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "--seeds 2" in kept["commands"][1]
    assert kept["surrogate_errors"]["nearest"]["points"]["27"] > 0
    assert kept["reach"]["searchers"]["optuna"]["ratio"] == 1
    optuna_run = next(run for run in kept["runs"] if run["searcher"] == "optuna")
    assert optuna_run["package"] == f"optuna {optuna.__version__}"
    assert optuna_run["revision"] == versions()["revision"]
    with Image.open(out / "replay.png") as image:
        assert image.width == 1200
    with pytest.raises(SystemExit):
        main([*command, "--teraflops", "3"])
    assert "is of another teraflops, 2.0, not 3.0" in capsys.readouterr().err


def test_initial_configurations_can_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, study = made_up(tmp_path)
    command = [str(file), "--study", study, "--surrogate", "nearest", "--searcher", "random"]
    command += ["--teraflops", "1", "--seeds", "1"]
    first = {}
    for options in ([], ["--without-starts"]):
        out = tmp_path / f"out{len(options)}"
        assert main([*command, *options, "--out", str(out)]) == 0
        assert ("best initial configuration" in capsys.readouterr().out) == (not options)
        (run,) = json.loads((out / "replay.json").read_text())["runs"]
        first[len(options)] = run["curve"][0]
    assert first[0] != first[1]


def test_a_missing_package_is_said_with_the_extra_that_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "version", version)
    file, study = made_up(tmp_path, 4)
    command = [str(file), "--study", study, "--teraflops", "1", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit):
        main([*command, "--searcher", "smac"])
    told = " ".join(capsys.readouterr().err.split())
    assert 'smac: not installed: smac; pip install -e ".[replay]"' in told
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main([*command, "--searcher", "tpe+asha"])
    assert 'scikit-learn, which is not installed: pip install -e ".[replay]"' in " ".join(
        capsys.readouterr().err.split()
    )
