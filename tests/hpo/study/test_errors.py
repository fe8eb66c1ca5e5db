import pytest

from hpo.study.errors import ConfigError, StudyError, did_you_mean, refuse_outside


@pytest.mark.parametrize(
    ("name", "hint"),
    [("compct", '; did you mean "compact"?'), ("papr", '; did you mean "paper"?'), ("xyz", "")],
)
def test_the_nearest_name_is_offered(name: str, hint: str) -> None:
    assert did_you_mean(name, ["paper", "compact", "beyond"]) == hint


def test_a_wrong_file_is_caught_with_all_else_that_a_study_cannot_run_for() -> None:
    with pytest.raises(StudyError, match="why"):
        raise ConfigError("why")


@pytest.mark.parametrize("number", [0, -1, 1001, float("nan")])
def test_a_number_out_of_range_is_refused_by_its_name(number: float) -> None:
    refuse_outside(1, 1000, seeds=1, retrains=1000, trial=None)
    with pytest.raises(ConfigError, match=rf"seeds = {number}: it must be from 1 to 1,000"):
        refuse_outside(1, 1000, trial=5, seeds=number)
