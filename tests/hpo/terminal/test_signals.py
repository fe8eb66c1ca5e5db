import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, time
from hpo.terminal.signals import exit_code, raise_on_signals

class Dropping:
    def __del__(self):
        {code}

raise_on_signals()
try:
    thing = Dropping()
    del thing
    print("dropped", flush=True)
    time.sleep({wait})
except KeyboardInterrupt:
    print("stopped")
    raise SystemExit(exit_code())
"""


def run(code: str, wait: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code=code, wait=wait)],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_a_destructor_is_not_lost(number: signal.Signals) -> None:
    """Python prints and drops what is raised there, as SQLAlchemy's clean-ups showed."""
    result = run(f"os.kill(os.getpid(), {int(number)}); time.sleep(0)", wait=20)
    assert result.stdout.split() == ["dropped", "stopped"]
    assert result.returncode == 128 + number
    assert result.stderr == ""


def test_other_errors_of_a_destructor_are_still_shown() -> None:
    result = run("raise OSError('the disk is on fire')", wait=0)
    assert "the disk is on fire" in result.stderr
