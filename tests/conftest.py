import os
import signal
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def omniglot_root() -> Path:
    """Where the real Omniglot lies; tests that need it are skipped where it is not."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "datasets"
    root = Path(os.environ.get("OMNIGLOT_ROOT") or beside)
    if not any(root.rglob("images_background*")):
        pytest.skip("no Omniglot here: set OMNIGLOT_ROOT")
    return root


# A shell that runs the tests in the background has them ignore Ctrl-C, and so all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
