"""Commands in processes of their own that start at once.

Each is forked from a process that has imported the libraries, which takes 3 seconds of a core; all
else is as with ``python``: the modules, the folder, the environment, the output, the exit code.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_LIBRARIES = (
    *("torch", "torch._dynamo", "torchvision", "optuna", "optuna.storages", "optuna_dashboard"),
    *("matplotlib.pyplot", "numpy", "pydantic", "rich", "scipy.stats", "sqlalchemy", "typer"),
)


class Python:
    """``python`` with some arguments, running.

    Args:
        arguments: ``-m`` and a module, ``-c`` and a program, or a script; then its own.
        cwd: the folder that it runs in.
        env: its environment; None is this process's.
        start_new_session: keep the signals of this process's group from it.
    """

    def __init__(
        self,
        arguments: Sequence[object],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        start_new_session: bool = False,
    ):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*_LIBRARIES])
        self.args = [str(word) for word in arguments]
        self._out, self._err = (tempfile.NamedTemporaryFile() for _ in range(2))  # noqa: SIM115
        there = (str(cwd), dict(os.environ if env is None else env), start_new_session)
        files = (self._out.name, self._err.name)
        self._process = context.Process(target=_run, args=(self.args, *there, *files))
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it has ended, or raise `subprocess.TimeoutExpired`."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self._process.kill()

    def said(self) -> tuple[str, str]:
        """Return what it has printed so far, and its errors."""
        out, err = (Path(file.name).read_bytes() for file in (self._out, self._err))
        return out.decode(), err.decode()


def run_python(
    arguments: Sequence[object],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run ``python`` with these arguments to its end; see `Python`."""
    command = Python(arguments, cwd=cwd, env=env)
    try:
        code = command.wait(timeout)
    finally:
        command.kill()
    return subprocess.CompletedProcess(command.args, code, *command.said())


def _run(
    arguments: list[str], cwd: str, env: dict[str, str], alone: bool, out: str, err: str
) -> None:
    """Be ``python`` with these arguments, in the forked process."""
    if alone:
        os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kind, *rest = arguments
    try:
        if kind == "-m":
            sys.path.insert(0, cwd)
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif kind == "-c":
            sys.path.insert(0, cwd)
            sys.argv = ["-c", *rest[1:]]
            exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
        else:
            sys.path.insert(0, str(Path(kind).parent))
            sys.argv = arguments
            runpy.run_path(kind, run_name="__main__")
    finally:
        atexit._run_exitfuncs()
