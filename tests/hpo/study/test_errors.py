import pytest

from hpo.study.errors import ConfigError, StudyError, did_you_mean


@pytest.mark.parametrize(
    ("name", "hint"),
    [("compct", '; did you mean "compact"?'), ("papr", '; did you mean "paper"?'), ("xyz", "")],
)
def test_the_nearest_name_is_offered(name: str, hint: str) -> None:
    assert did_you_mean(name, ["paper", "compact", "beyond"]) == hint


def test_a_wrong_file_is_caught_with_all_else_that_a_study_cannot_run_for() -> None:
    with pytest.raises(StudyError, match="why"):
        raise ConfigError("why")
