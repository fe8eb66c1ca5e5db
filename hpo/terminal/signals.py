"""Ctrl-C and SIGTERM as one exception, which is never lost, wherever it is raised."""

import os
import signal
import sys
import threading
from types import FrameType

_AGAIN_SECONDS = 0.05

_latest = int(signal.SIGINT)
_show_dropped = sys.unraisablehook


def raise_on_signals() -> None:
    """Let Ctrl-C and SIGTERM raise KeyboardInterrupt, from now on and in the main thread.

    Python drops what is raised in a destructor or in a weak reference's callback, printing a
    traceback; and libraries have many of those. There the signal comes once more, a moment later.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    sys.unraisablehook = _dropped


def exit_code() -> int:
    """Return what a process ends with that a signal has ended: 128 and the signal's number."""
    return 128 + _latest


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _latest
    _latest = number
    raise KeyboardInterrupt


def _dropped(exception: "sys.UnraisableHookArgs") -> None:
    if not issubclass(exception.exc_type, KeyboardInterrupt):
        _show_dropped(exception)
        return
    again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), _latest))
    again.daemon = True
    again.start()
