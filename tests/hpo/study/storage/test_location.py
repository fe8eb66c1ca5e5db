import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.exceptions import StorageInternalError
from optuna.study import StudyDirection

from hpo.study.errors import ConfigError, StudyError
from hpo.study.name import check_name
from hpo.study.storage.location import StudyLocation


@pytest.mark.parametrize("url", ["nonsense", "mysql://u@h/d", "sqlite://", "sqlite:///:memory:"])
def test_storages_that_cannot_hold_a_study_are_refused(url: str) -> None:
    with pytest.raises(StudyError, match="--storage"):
        StudyLocation("x", storage=url)


def test_passwords_are_never_shown() -> None:
    location = StudyLocation("x", storage="postgresql+psycopg://me:secret@nowhere/db")
    assert "secret" not in location.shown_url + location.options() + location._safe("secret!")


@given(st.text())
def test_names_cannot_leave_their_folder(name: str) -> None:
    try:
        check_name(name)
    except ConfigError:
        return
    assert Path(StudyLocation(name, Path("/out")).folder).resolve().parent == Path("/out")


@pytest.mark.parametrize(
    ("location", "options"),
    [
        (StudyLocation("x"), "--study x"),
        (StudyLocation("x", Path("my runs")), "--study x --out 'my runs'"),
        (StudyLocation("x", storage="sqlite:///a.db"), "--study x --storage sqlite:///a.db"),
    ],
)
def test_its_options_name_it_to_another_command(location: StudyLocation, options: str) -> None:
    assert location.options() == options


def test_reading_neither_makes_nor_changes_a_file(tmp_path: Path) -> None:
    location = StudyLocation("x", tmp_path)
    with pytest.raises(StudyError, match=r"there is no database .*study\.db"):
        location.read_only()
    assert not list(tmp_path.iterdir())
    location.folder.mkdir()
    location.database().create_new_study(directions=[StudyDirection.MAXIMIZE], study_name="x")
    before = location.sqlite_file().read_bytes()  # type: ignore[union-attr]
    storage = location.read_only()
    assert storage.get_study_id_from_name("x") == 1
    with pytest.raises(StorageInternalError):
        storage.create_new_study(directions=[StudyDirection.MAXIMIZE], study_name="y")
    storage.remove_session()
    assert location.sqlite_file().read_bytes() == before  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (StorageInternalError("it broke"), "cannot be used: it broke"),
        (PermissionError(13, "Permission denied"), "folder .* cannot be used: Permission denied"),
        (ModuleNotFoundError("No module named 'psycopg'"), r"install .*\[postgres\]"),
        (sqlite3.OperationalError("no such host: secret"), r"no such host: \*\*\*"),
    ],
)
def test_what_goes_wrong_is_one_message_without_the_password(raised: Exception, words: str) -> None:
    location = StudyLocation("x", storage="postgresql+psycopg://me:secret@nowhere/db")
    with pytest.raises(StudyError, match=words) as caught, location.explained():
        raise raised
    assert "secret" not in str(caught.value)
