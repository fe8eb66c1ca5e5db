from pathlib import Path

import torch

from hpo.training.checkpoints import Checkpoints


def test_checkpoints_are_whole_tied_and_swept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(3, "key", {"value": torch.ones(2)})
    loaded = checkpoints.load(3, "key")
    assert loaded is not None
    assert torch.equal(loaded["value"], torch.ones(2))
    assert checkpoints.load(3, "other key") is None
    assert checkpoints.load(4, "key") is None
    path = next(checkpoints.folder.iterdir())
    path.write_bytes(path.read_bytes()[:-40])
    assert checkpoints.load(3, "key") is None
    checkpoints.save(4, "key", {})
    checkpoints.sweep(keep={4})
    assert [p.name for p in checkpoints.folder.iterdir()] == ["trial-00004.pt"]
