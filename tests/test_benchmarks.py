import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import hpo.training.data
from hpo.study.files import changed
from model.hyperparameters import Hyperparameters
from model.net.saved import SavedNet
from model.net.siamese import SiameseNet
from tests.benchmarks import exported, fidelity, intervals, photographs, pictures, time_to_accuracy
from tests.benchmarks.__main__ import BENCHMARKS, main
from tests.benchmarks.gpu import __main__ as gpu
from tests.benchmarks.harness import Context, Row
from tests.benchmarks.inputs import trials_of
from tests.benchmarks.photographs import BOTH, CLEAN, answers
from tests.benchmarks.replay import __main__ as replay
from tests.hpo.support import tiny_config, tiny_dataset
from tests.model.support import TINY
from tests.photographs import SCENES
from tests.synthetic import synthetic

RESULTS = Path(__file__).resolve().parents[1] / "studies/results"


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


@pytest.mark.parametrize("part", [name for name in gpu.PARTS if name != "kernels"])
def test_what_is_measured_on_a_gpu_runs_at_toy_size(part: str) -> None:
    work, _ = gpu.PARTS[part]
    told = list(work(Context(torch.device("cpu"), "toy")))
    assert all(each.values for each in told if isinstance(each, Row))
    assert len(told) > 1


@pytest.mark.skipif(not find_spec("triton"), reason="Triton is not installed")
def test_the_kernels_are_measured_in_a_process_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "gpu.json"
    asked = ["--device", "cpu", "--quick", "--only", "kernels", "--json", str(file)]
    assert gpu.main(asked) == 0
    told = json.loads(file.read_text())
    assert told["parts"]["kernels"]["ended"] == "well"
    rows = {row["what"]: row for row in told["rows"]}
    for layer in ("conv1", "conv2"):
        assert rows[f"{layer}, fused: error of gradients"]["met"] is True
        assert rows[f"{layer}, fused: forward and backward"]["median"] > 0
    assert told["blocks"].keys() == {"FORWARD", "BACKWARD", "POOL"}
    assert told["versions"]["revision"]


def test_a_part_that_takes_too_long_is_ended_and_said_so(tmp_path: Path) -> None:
    file = tmp_path / "gpu.json"
    asked = ["--device", "cpu", "--quick", "--only", "machine", "--limit", "0.1"]
    assert gpu.main([*asked, "--json", str(file)]) == 1
    told = json.loads(file.read_text())
    assert told["parts"]["machine"]["ended"] == "by the limit of 0.1 s"
    assert sum(limit for _, limit in gpu.PARTS.values()) <= 12 * 60


@pytest.mark.parametrize(
    ("main", "words"),
    [
        *((gpu.main, ["--limit", number]) for number in ("0", "-1", "nan")),
        (time_to_accuracy.main, ["--pairs", "0"]),
        (time_to_accuracy.main, ["--seeds", "0"]),
        (photographs.main, ["--model", "x", "--queries", "0"]),
        (intervals.main, ["--replications", "0"]),
        (replay.main, ["x.csv", "--study", "x", "--out", "x", "--teraflops", "inf"]),
        (replay.main, ["x.csv", "--study", "x", "--out", "x", "--teraflops", "1", "--seeds", "0"]),
    ],
)
def test_nothing_is_no_number_left_out(
    main: Callable[[list[str]], int], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert "give a positive number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (main, ["--json"]),
        (gpu.main, ["--json"]),
        (time_to_accuracy.main, ["--json"]),
        (photographs.main, ["--model", "x", "--json"]),
        (fidelity.main, ["x.csv", "--plot"]),
        (fidelity.main, []),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path,
    main: Callable[[list[str]], int],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for file in ("", " ", str(tmp_path), str(tmp_path / "none" / "x")):
        with pytest.raises(SystemExit):
            main([*words, file])
        assert f"{file!r}: give a file, in a folder that is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (photographs.main, ["--model"]),
        (exported.main, ["--final"]),
        (fidelity.main, ["x.csv", "tiny", "--out"]),
        (replay.main, ["x.csv", "--study", "smoke", "--teraflops", "1", "--out"]),
    ],
)
def test_an_empty_path_is_not_the_current_folder(
    main: Callable[[list[str]], int], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for path in ("", " "):
        with pytest.raises(SystemExit):
            main([*words, path])
        assert f"{path!r} is empty; give a path" in capsys.readouterr().err


def test_no_query_of_a_support_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        photographs.main(["--model", "x", "--queries", "30"])
    assert "--queries 30: each support is asked 20" in capsys.readouterr().err


def test_an_empty_study_is_not_the_schedule_s_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        time_to_accuracy.main(["--study", ""])
    assert "cannot name a study" in capsys.readouterr().err


def test_the_coverage_of_intervals_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert intervals.main(["--replications", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 + len(intervals.SPREADS) * len(intervals.DESIGNS) * 2 * 2
    assert all(line.count("(") == len(intervals.METHODS) for line in lines[2:-1])


@pytest.mark.parametrize("row", [CLEAN, "cast shadow", BOTH])
def test_photographs_are_ranked(row: str) -> None:
    """An untrained net knows a character by the very drawing of it, far better than chance."""
    drawings = synthetic((20,), drawers=2, size=105)
    for place, character in enumerate(drawings.character.tolist()):
        hand, picture = random.Random(character), Image.new("L", (105, 105))
        line = [(hand.uniform(20, 85), hand.uniform(20, 85)) for _ in range(5)]
        ImageDraw.Draw(picture).line(line, 255, 3)
        drawings.ink[place] = torch.from_numpy(np.array(picture))
    trials = trials_of(drawings, 20)
    net = SavedNet(net=SiameseNet(TINY, torch.Generator().manual_seed(0)).eval())
    with torch.no_grad():
        net.net.output.weight.fill_(-1)
    right = answers(net, trials, row)
    assert len(right) == 20
    assert sum(right) >= 5, "chance is 1"


def test_the_table_of_photographs_is_its_json() -> None:
    told = json.loads((RESULTS / "photographs.json").read_text(encoding="utf-8"))["accuracy"]
    (section,) = re.findall(
        r"^## Photographs$(.*?)^#+ ", (RESULTS / "README.md").read_text("utf-8"), re.M | re.S
    )
    table = {
        cells[0].strip(): [float(cell) for cell in cells[1:]]
        for line in re.findall(r"^\| (?!-)(.+?) \|$", section, re.M)[1:]
        if (cells := line.split("|"))
    }
    assert list(table) == [CLEAN, *SCENES, BOTH]
    for row, shown in table.items():
        sets = [told[when][queries][row] for queries in ("100", "400") for when in told]
        assert shown == pytest.approx(sets), row
    clean = told["after"]["400"][CLEAN]
    for row, value in told["after"]["400"].items():
        assert value > clean - (8 if "shadow" in row else 4), row


def test_the_plots_of_results_are_drawn_from_their_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(pictures, "save", lambda figure, path: drawn.append((figure, path)))
    for study in ("beyond-105", "paper"):
        (tmp_path / study).mkdir()
    for name in ("metrics.json", "n-way.png", "alphabets-20-way.png"):
        (tmp_path / "beyond-105" / name).write_bytes((RESULTS / "beyond-105" / name).read_bytes())
    pictures.main(tmp_path)
    assert [path.name for _, path in drawn] == ["alphabets-20-way.png", "n-way.png"]
    for figure, _ in drawn:
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        # Its first trial is a start set by hand, not the paper's configuration.
        assert labels[0] == "ours, best and initial configuration (trial 0)"


def test_a_target_is_met_or_missed_by_the_mean_of_its_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (hpo.training.data, time_to_accuracy):
        monkeypatch.setattr(module, "load", lambda **_: tiny_dataset())
    monkeypatch.setattr(
        time_to_accuracy, "load_study", lambda _, settings: changed(tiny_config(), settings)
    )
    file = tmp_path / "runs.json"
    asked = ["--target", "98", "--seeds", "2", "--pairs", "128", "--json", str(file)]
    assert time_to_accuracy.main(asked) == 1
    assert "0 of 2 seeds reach it" in capsys.readouterr().out
    runs = json.loads(file.read_text())["98"]["runs"]
    assert [run["pairs"] for run in runs] == [128, 128]
    assert not any("validation" in run["accuracies"] for run in runs)
    # Of the test alphabets nothing is asked where schedules are chosen.
    monkeypatch.setattr(time_to_accuracy, "benchmark", None)
    assert time_to_accuracy.main([*asked, "--validate"]) == 0
    plain = json.loads(file.read_text())["98"]
    assert plain["runs"][0]["accuracies"].keys() == {"validation"}
    # A change is compared with the same command without it.
    trained = []
    train = time_to_accuracy.run

    def seen(inputs: Any, tests: Any, hyperparameters: Hyperparameters, *rest: int) -> Any:
        trained.append(hyperparameters.recipe.rate_factor)
        return train(inputs, tests, hyperparameters, *rest)

    monkeypatch.setattr(time_to_accuracy, "run", seen)
    assert time_to_accuracy.main([*asked, "--validate", "--set", "recipe.rate_factor=0.01"]) == 0
    slow = json.loads(file.read_text())["98"]
    assert slow["settings"] == ["recipe.rate_factor=0.01"]
    assert trained == [0.01, 0.01]
    # What suits the schedule's study is not set in another one.
    own = replace(time_to_accuracy.SCHEDULES[98.0], settings=("recipe.rate_factor=0.02",))
    monkeypatch.setitem(time_to_accuracy.SCHEDULES, 98.0, own)
    for another in ((), ("--study", "another")):
        assert time_to_accuracy.main([*asked, "--validate", *another]) == 0
    assert trained[2:] == [0.02, 0.02, 1.0, 1.0]
    for setting, words in (
        ("recipe.rate=0.01", "did you mean"),
        ("budget.momentum_epochs=2", "changes nothing here"),
    ):
        with pytest.raises(SystemExit):
            time_to_accuracy.main([*asked, "--set", setting])
        assert words in capsys.readouterr().err
    bare = tiny_config().model_copy(update={"start": ()})
    monkeypatch.setattr(time_to_accuracy, "load_study", lambda *_: bare)
    with pytest.raises(SystemExit):
        time_to_accuracy.main(asked)
    assert "has no [[start]]" in capsys.readouterr().err
