import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hpo.search.tensorboard import TensorBoard
from hpo.study.open import open_finished
from hpo.study.storage.location import StudyLocation
from hpo.terminal.commands import study_command
from hpo.terminal.progress import duration
from hpo.terminal.summary import next_commands
from run_study import app
from tests import ROOT

FLAGS = [
    *("--study", "--trials", "--out", "--storage", "--timeout", "--dataset", "--data-root"),
    *("--sampler", "--pruner", "--seed", "--workers", "--ray", "--device", "--dry-run"),
    *("--from", "--list", "--set", "--version", "--tensorboard"),
]


def command(*arguments: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run_study.py"), *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONWARNINGS": "always::FutureWarning"},
    )


def test_help_names_every_flag_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    process = command("--help")
    output, errors = process.communicate()
    assert process.returncode == 0
    assert all(line.startswith("import time:") for line in errors.splitlines())
    assert "hpo.terminal" in errors
    assert "torch" not in errors
    for flag in FLAGS:
        assert flag in output
    assert max(map(len, output.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--study", "smok"], 2, 'did you mean "smoke"'),
        (["--study", "../smoke"], 2, "cannot name a study"),
        (["--study", "smoke", "--sampler", "pg"], 2, "gp, tpe, cmaes, random"),
        (["--study", "smoke", "--set", "budget.epoch=3"], 2, 'did you mean "budget.epochs"'),
        (["--study", "smoke", "--set", "budget.epochs=0"], 2, "--set budget.epochs=0: budget"),
        (["--study", "smoke", "--trials", "0"], 2, "it must be from 1"),
        (["--study", "smoke", "--seed", "-1"], 2, "search.seed"),
        (["--study", "smoke", "--device", "cuda:99"], 2, "CUDA GPUs"),
        (["--study", "smoke", "--device", "gpu"], 2, "auto, cpu, cuda"),
        (["--study", "smoke", "--storage", "x"], 1, "not a database URL"),
        (["--study", "smoke", "--out", "/proc/none"], 1, "cannot be used"),
    ],
)
def test_mistakes_are_one_message(arguments: list[str], code: int, words: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    # Typer puts its own errors into a box, whose lines break anywhere.
    assert words in " ".join(result.output.replace("│", " ").split())
    assert "Traceback" not in result.output


def test_smoke_runs_goes_on_and_stops_at_its_total(tmp_path: Path) -> None:
    for trials in ("2", "3"):
        process = command(
            *("--study", "smoke", "--trials", trials, "--out", str(tmp_path), "--device", "cpu")
        )
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert not errors
    assert "trial 2:" in output
    assert "trial 1:" not in output
    assert "top 3 of 3 complete" in output
    assert study_command("fit", StudyLocation("smoke", tmp_path)) in output
    assert max(map(len, output.partition("Next:")[0].splitlines()[1:])) <= 80
    assert len(open_finished(StudyLocation("smoke", tmp_path)).trials) == 3


def test_ctrl_c_stops_cleanly(tmp_path: Path) -> None:
    process = command("--study", "smoke", "--trials", "500", "--out", str(tmp_path))
    assert process.stdout is not None
    for line in process.stdout:
        if "trial 0:" in line:
            break
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Rerun the command to resume" in output
    assert "Traceback" not in errors


def test_workers_share_a_study(tmp_path: Path) -> None:
    arguments = ("--study", "smoke", "--trials", "4", "--workers", "2", "--sampler", "random")
    process = command(*arguments, "--out", str(tmp_path))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert len(open_finished(StudyLocation("smoke", tmp_path)).trials) == 4


def test_dry_run_says_what_would_run(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["--study", "smoke", "--dry-run", "--out", str(tmp_path), "--device", "cpu"]
    )
    assert result.exit_code == 0, result.output
    for words in ("conv1.learning_rate", "log scale", "smallest", "largest", "trial 0", "3 trials"):
        assert words in result.output
    assert not list(tmp_path.iterdir())


def test_next_commands_hold_the_place_but_no_password() -> None:
    assert next_commands(StudyLocation("paper"))[1].endswith(" --study paper")
    shared = StudyLocation("paper", storage="postgresql+psycopg://me:secret@host/db")
    assert all("host/db" in line and "secret" not in line for line in next_commands(shared))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0.4 s"), (89, "89 s"), (600, "10 min"), (7500, "2:05 h"), (3e5, "3 days")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_tensorboard_is_off_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks: list[object] = []

    def run_study(*_: object, on_epoch: object, **__: object) -> bool:
        hooks.append(on_epoch)
        return True

    monkeypatch.setattr("hpo.run.run_study", run_study)
    study = ["--study", "smoke", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, study).exit_code == 0
    assert hooks == [None]
    runs = ["--tensorboard", str(tmp_path / "runs")]
    monkeypatch.setattr("hpo.search.tensorboard.find_spec", lambda name: None)
    refused = CliRunner().invoke(app, [*study, *runs])
    assert refused.exit_code == 1
    assert 'pip install -e ".[tensorboard]"' in refused.output
    monkeypatch.setattr("hpo.search.tensorboard.find_spec", lambda name: name)
    assert CliRunner().invoke(app, [*study, *runs]).exit_code == 0
    _, hook = hooks
    assert isinstance(hook, TensorBoard)
    assert hook.folder == tmp_path / "runs"
