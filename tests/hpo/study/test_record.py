import optuna

from hpo.study.record import (
    BASELINE,
    StudyRecord,
    record_baseline,
    record_beside,
    record_config,
    record_data,
    record_enqueued,
)
from model.baselines import BASELINES


def test_what_is_written_is_read_under_the_keys_of_earlier_versions() -> None:
    study = optuna.create_study()
    empty = StudyRecord.of(study)
    assert empty.config is empty.data is empty.baseline is None
    assert (empty.description, empty.versions, empty.enqueued, empty.beside) == ("", {}, [], {})
    record_config(study, {"search.seed": 3}, "A study", {"torch": "2"})
    record_beside(study, {"search.trials": 9})
    record_data(study, {"name": "tiny", "digest": "abc"})
    record_baseline(study, 0.3)
    entry = {"study": "other", "first": 1, "values": [{"fc.units": 8}]}
    record_enqueued(study, [entry])
    assert StudyRecord.of(study) == StudyRecord(
        config={"search.seed": 3},
        beside={"search.trials": 9},
        description="A study",
        versions={"torch": "2"},
        data={"name": "tiny", "digest": "abc"},
        baseline=0.3,
        enqueued=[entry],
    )
    known = {"definition", "description", "versions", "data", "pixel 1-NN", "taken_over"}
    assert set(study.user_attrs) == known | {"beside_definition"}


def test_the_study_s_own_baseline_is_a_row_of_the_table() -> None:
    assert BASELINE in BASELINES
