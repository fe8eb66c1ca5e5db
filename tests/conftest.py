import os
import signal
from pathlib import Path

# Several tests run at once, and what they start: a thread each, before torch counts the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings


@pytest.fixture(scope="session")
def omniglot_root() -> Path:
    """Where the real Omniglot lies; tests that need it are skipped where it is not."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "datasets"
    root = Path(os.environ.get("OMNIGLOT_ROOT") or beside)
    if not any(root.rglob("images_background*")):
        pytest.skip("no Omniglot here: set OMNIGLOT_ROOT")
    return root


@pytest.fixture(autouse=True)
def same_for_all() -> None:
    """The same random numbers and one thread, whatever ran before, and in whichever process."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # a worker's trial takes what it is given


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a test that waits for other processes leaves one idle."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, the whole commands, so that the workers end together."""

    def rank(item: pytest.Item) -> int:
        if item.path.name == "test_readme.py":
            return 0
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return 1 if folder == item.path.name else 2 if folder == "hpo" else 3

    items.sort(key=rank)


# How long an example takes is no property of the code where other work keeps the cores busy.
settings.register_profile("any pace", deadline=None)
settings.load_profile("any pace")

# A shell that runs the tests in the background has them ignore Ctrl-C, and so all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
