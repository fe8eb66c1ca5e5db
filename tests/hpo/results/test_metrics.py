from pathlib import Path

import pytest

from hpo.results.metrics import METRICS, NET, Accuracy, load_metrics
from hpo.study.errors import StudyError


def test_a_figure_says_what_it_rests_on() -> None:
    shown = Accuracy.of(
        [0.5, 0.5], trials=4000, protocol="n_way", system=NET, title="", way=2, chance=0.5
    ).shown()
    assert "50.0 % [48.5, 51.5] 4,000 x 2 seeds" in shown


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b"\xff\x00"])
def test_metrics_that_cannot_be_read_are_one_message(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / METRICS).write_bytes(content)
    with pytest.raises(StudyError, match="fit"):
        load_metrics(tmp_path)
