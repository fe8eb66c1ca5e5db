from pathlib import Path

import optuna
import pytest

from hpo.reporting.comparison import comparison
from hpo.study.storage.location import StudyLocation
from tests.hpo.report_support import fake_study
from tests.hpo.reporting.support import KeptPictures, cells, prose


def study(out: Path, name: str, states: str, **options: object) -> optuna.Study:
    options = {"base": "smoke", **options}
    return fake_study(StudyLocation(name, out), states, **options)  # type: ignore[arg-type]


def test_studies_that_differ_by_seed_alone_are_one_group(tmp_path: Path) -> None:
    studies = [
        study(tmp_path, "random-0", "CPCC"),
        study(tmp_path, "random-1", "CCCC", seed=1),
        study(tmp_path, "tree-0", "CPC", sampler="tpe"),
        study(tmp_path, "tree-1", "CPC", sampler="tpe", seed=1),
    ]
    pictures = KeptPictures()
    blocks = comparison(studies, pictures)
    labels = ["random-0, random-1 (random)", "tree-0, tree-1 (tpe)"]
    for label in labels:
        rows = cells(blocks, label)
        assert [row[5] for row in rows] == ["2", "2", "2"]
        assert rows[0][1] == "3 trials"
        assert rows[0][4] == "100"
    assert pictures.legend("comparison") == labels
    assert "not comparable" not in prose(blocks)


def test_one_study_is_not_compared(tmp_path: Path) -> None:
    assert comparison([study(tmp_path, "one", "C")], KeptPictures()) == []


def test_a_study_without_results_is_left_out_by_name(tmp_path: Path) -> None:
    blocks = comparison([study(tmp_path, "one", "C"), study(tmp_path, "two", "")], KeptPictures())
    assert "no complete trial: two." in prose(blocks)
    assert "Fewer than two studies have results" in prose(blocks)


@pytest.mark.parametrize("base", ["compact"])
def test_scores_of_different_protocols_are_flagged(tmp_path: Path, base: str) -> None:
    studies = [study(tmp_path, "one", "C"), study(tmp_path, "two", "C", base=base)]
    said = prose(comparison(studies, KeptPictures()))
    assert "not comparable" in said
    assert "validation.trials" in said


def test_studies_of_one_method_are_named_by_their_names_alone(tmp_path: Path) -> None:
    studies = [study(tmp_path, "one", "C"), study(tmp_path, "two", "C", base="compact")]
    pictures = KeptPictures()
    comparison(studies, pictures)
    assert pictures.legend("comparison") == ["one", "two"]
