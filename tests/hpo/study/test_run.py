import dataclasses
import pickle
from pathlib import Path

import pytest

from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from tests.hpo.support import tiny_config


def test_a_run_is_the_same_in_another_process_and_cannot_be_changed(tmp_path: Path) -> None:
    run = StudyRun(
        config=tiny_config(),
        location=StudyLocation("tiny", tmp_path),
        data_root=tmp_path,
        device="cuda:1",
    )
    sent = pickle.loads(pickle.dumps(run))
    assert sent == run
    assert sent.config.identity() == run.config.identity()
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.device = "cpu"  # type: ignore[misc]


def test_without_more_it_trains_on_the_cpu_on_the_usual_data(tmp_path: Path) -> None:
    run = StudyRun(config=tiny_config(), location=StudyLocation("tiny", tmp_path))
    assert (run.device, run.data_root) == ("cpu", None)
