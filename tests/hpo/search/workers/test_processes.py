"""Several worker processes: shared out, stopped, replaced."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from hpo.search.workers import processes
from hpo.search.workers.heartbeat import HeartbeatMonitor
from hpo.search.workers.processes import run_workers, shares
from hpo.search.workers.worker import Job
from hpo.study.errors import StudyError
from hpo.study.open import open_finished, open_study
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from hpo.terminal import signals
from tests import ROOT
from tests.hpo.support import damaged_pictures, opens, tiny_config


def test_gpus_and_threads_are_dealt_out(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("hpo.search.workers.processes._cores", lambda: 8)

    def on(device: str) -> Job:
        return replace(job, run=replace(job.run, device=device))

    dealt = shares(on("cuda"), 3)
    assert [share.run.device for share in dealt] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [share.threads for share in dealt] == [2, 2, 2]
    assert [share.run.device for share in shares(on("cuda:1"), 2)] == ["cuda:1"] * 2
    assert shares(job, 99)[0].threads == 1


def test_an_error_of_all_workers_is_one_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = tiny_config().model_dump()
    raw["data"]["dataset"] = str(damaged_pictures(tmp_path / "mine"))
    config = type(tiny_config()).model_validate(raw)
    job = Job(run=StudyRun(config=config, location=StudyLocation("tiny", tmp_path)), total=2)
    open_study(job.run)
    with pytest.raises(StudyError, match="cannot be read as an image"):
        run_workers(job, 2)
    assert "Traceback" not in "".join(capfd.readouterr())
    opens(job)


@pytest.mark.parametrize("when", ["starts", "reports its error"])
def test_a_worker_stopped_while_it(job: Job, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    class Pipe:
        def send_bytes(self, text: bytes) -> None:
            if text != processes._BEGUN:
                stop()

    monkeypatch.setattr(signals, "raise_on_signals", stop if when == "starts" else lambda: None)
    monkeypatch.setattr(processes, "error_of", lambda job: "no data")
    with pytest.raises(SystemExit) as ended:
        processes._child(job, Pipe())  # type: ignore[arg-type]
    assert ended.value.code == signals.exit_code()


@pytest.mark.parametrize("when", ["starts", "reports its error"])
def test_a_worker_that_nobody_listens_to_says_no_more(
    job: Job, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    message, theirs = multiprocessing.Pipe(duplex=False)

    def fails(job: Job) -> str:
        message.close()
        return "no data"

    if when == "starts":
        message.close()
    monkeypatch.setattr(signals, "raise_on_signals", lambda: None)
    monkeypatch.setattr(processes, "error_of", fails)
    with pytest.raises(SystemExit) as ended:
        processes._child(job, theirs)
    assert ended.value.code == 1


@pytest.mark.parametrize("moment", ["worker 0", "worker 1"])
def test_workers_that_start_without_the_study_begin_no_other(
    job: Job, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr("hpo.search.workers.processes._LOOK_SECONDS", 0.1)
    start, place = processes._Worker.start, job.run.location.folder

    def moving(name: str, share: Job) -> processes._Worker:
        if name == moment:
            place.rename(place.with_name("aside"))
        return start(name, share)

    monkeypatch.setattr(processes._Worker, "start", moving)
    with pytest.raises(StudyError, match=r"was (removed|replaced) while"):
        run_workers(replace(job, total=200), 2)


def test_a_little_chaos() -> None:
    command = [sys.executable, "-m", "tests.chaos"]
    options = ["--workers", "2", "--faults", "9", "--trials", "9", "--epoch", "0.1"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 of 9" in done.stdout


def study_command(out: Path, *options: str) -> subprocess.Popen[str]:
    words = ["--study", "smoke", "--sampler", "random", "--device", "cpu", "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run_study.py"), *words, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("number", "whom", "code", "after"),
    [
        (signal.SIGINT, "group", 130, "trial 1:"),
        (signal.SIGTERM, "parent", 143, "trial 1:"),
        (signal.SIGINT, "group", 130, "Data:"),  # while the fork server imports torch
    ],
)
def test_workers_stop_cleanly(
    tmp_path: Path, number: int, whom: str, code: int, after: str
) -> None:
    process = study_command(tmp_path, "--trials", "500", "--workers", "2")
    assert process.stdout is not None
    for line in process.stdout:
        if after in line:
            break
    time.sleep(1.0)
    (os.killpg if whom == "group" else os.kill)(process.pid, number)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert "Rerun the command to resume" in output
    assert "Traceback" not in errors
    study = open_finished(StudyLocation("smoke", tmp_path))
    running = study.get_trials(states=(TrialState.RUNNING,))
    # Given back, or, stopped in the moment of being claimed or told, at once known to be dead.
    assert HeartbeatMonitor().dead(running) == running
    with pytest.raises(ProcessLookupError):
        wait_for_group(process.pid)


def wait_for_group(group: int) -> None:
    """Wait until no process of the group is left, which raises."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        os.killpg(group, 0)
        time.sleep(0.1)


def test_workers_end_with_a_command_that_is_killed(tmp_path: Path) -> None:
    process = study_command(tmp_path, "--trials", "500", "--workers", "2")
    assert process.stdout is not None
    for line in process.stdout:
        if "trial 0:" in line:
            break
    process.kill()
    process.wait()
    with pytest.raises(ProcessLookupError):
        wait_for_group(process.pid)


SCRIPT = """
from pathlib import Path
from hpo.search.workers.processes import run_workers
from hpo.study.errors import StudyError
from tests.hpo.support import tiny_job

try:
    run_workers(tiny_job(Path({out!r})), 2)
except StudyError as error:
    print("said:", error)
"""


@pytest.mark.parametrize("place", ["no main guard", "standard input"])
def test_workers_that_cannot_import_their_script_say_so_at_once(tmp_path: Path, place: str) -> None:
    text = SCRIPT.format(out=str(tmp_path / "out"))
    (tmp_path / "script.py").write_text(text)
    done = subprocess.run(
        [sys.executable, *([] if place == "standard input" else [str(tmp_path / "script.py")])],
        input=text if place == "standard input" else None,
        cwd=tmp_path, capture_output=True, text=True, timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.count("before it began, as every one would") == 1, done.stderr
    assert "memory" not in done.stdout + done.stderr
    assert "is replaced" not in done.stderr
