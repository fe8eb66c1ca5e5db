"""A net that tells shapes apart, and drawings for it."""

from pathlib import Path

import pytest

from model.net.saved import SavedNet, save_net
from tests.model.support import alike, drawing


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A net with which like goes with like."""
    save_net(tmp_path / "model", SavedNet(net=alike()))
    return tmp_path / "model"


@pytest.fixture
def support(tmp_path: Path) -> Path:
    folder = tmp_path / "support"
    (folder / "ring").mkdir(parents=True)
    drawing("bar").save(folder / "bar.png")
    drawing("cross").save(folder / "cross.jpg")
    drawing("ring").save(folder / "ring" / "1.png")
    drawing("ring", 120, 2).save(folder / "ring" / "2.png")
    (folder / "notes.txt").write_text("not a class")
    return folder
