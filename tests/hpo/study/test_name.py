from pathlib import Path

import pytest

from hpo.study.errors import ConfigError
from hpo.study.name import check_name
from hpo.study.storage.location import StudyLocation


@pytest.mark.parametrize("name", ["../out", "a/b", "/tmp/x", "..", ".", "", "a\0b", "A", "a\\b"])
def test_study_names_cannot_leave_their_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a study"):
        StudyLocation(name, tmp_path)


@pytest.mark.parametrize("name", ["compact", "beyond-70", "7", "a.b_c"])
def test_a_plain_name_is_no_error(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", ".", "..", ".x", "", "A", "a\n", "a\\b"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        check_name(name)
