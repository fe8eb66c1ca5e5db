import shlex
import sqlite3
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.exceptions import StorageInternalError
from optuna.study import StudyDirection
from typer.testing import CliRunner

from hpo.search.workers.worker import Job, work
from hpo.study.errors import ConfigError, StudyError
from hpo.study.open import open_finished, open_study
from hpo.study.storage.location import StudyLocation, check_name
from hpo.terminal.listing import list_studies
from run_study import app


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://u@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        # SQLAlchemy would keep these two in one file, and not heed the third.
        "sqlite:///what?/a.db",
        "sqlite:///what?/b.db",
        "sqlite:///x.db?mode=ro",
    ],
)
def test_storages_that_cannot_hold_a_study_are_refused(url: str) -> None:
    with pytest.raises(StudyError, match="--storage"):
        StudyLocation("x", storage=url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:secret@nowhere/db",
        "postgresql+psycopg://me@nowhere/db?password=secret",
        "postgresql+psycopg://nowhere/db?user=me&sslpassword=secret&password=secret&password=x",
        "postgresql+psycopg://me@nowhere/db?PASSWORD=secret",
    ],
)
def test_passwords_are_never_shown(url: str) -> None:
    location = StudyLocation("x", storage=url)
    shown = location.shown_url + location.options() + location._safe("secret!") + repr(location)
    assert "secret" not in shown
    assert "secret" in location.url


def test_a_password_is_hidden_as_written_in_a_url_too() -> None:
    location = StudyLocation("x", storage="postgresql+psycopg://me:a%2Fb%40c@nowhere/db")
    assert location._safe("no a/b@c, no a%2Fb%40c") == "no ***, no ***"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:hid@den@nowhere/db",
        "postgresql+psycopg://me:hid@den/hidden@nowhere/db",
        "postgresql://me:hid@den?hidden@nowhere/db",
        "mysql://u:hidden@h?password=hidden",
        "postgres://me:hidden@nowhere/db",
    ],
)
def test_refusals_show_no_part_of_a_password(url: str) -> None:
    with pytest.raises(StudyError, match=r"%40|use a sqlite|postgresql\+psycopg://") as caught:
        StudyLocation("x", storage=url)
    assert "hid" not in str(caught.value)
    assert "den" not in str(caught.value).replace("hidden", "")


@given(st.text())
def test_names_cannot_leave_their_folder(name: str) -> None:
    try:
        check_name(name)
    except ConfigError:
        return
    assert Path(StudyLocation(name, Path("/out")).folder).resolve().parent == Path("/out")


@pytest.mark.parametrize(
    ("location", "here", "anywhere"),
    [
        (StudyLocation("x"), "", " --out {}/studies"),
        (StudyLocation("x", Path("runs")), " --out {}/runs", " --out {}/runs"),
        (
            StudyLocation("x", storage="sqlite:///a.db"),
            " --storage sqlite:///{}/a.db",
            " --out {}/studies --storage sqlite:///{}/a.db",
        ),
    ],
)
def test_its_options_name_it_to_another_command(
    location: StudyLocation, here: str, anywhere: str
) -> None:
    folder = shlex.quote(str(Path.cwd()))
    assert location.options() == f"--study x{here.replace('{}', folder)}"
    assert location.options(anywhere=True) == f"--study x{anywhere.replace('{}', folder)}"


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


NAMES = [
    *"%?#&=+@:;,~!$*'\"()[]{}<>|^`\\ \n",
    "My%20Project",
    "what?/a",
    "what?/b",
    "{SCHEMA_VERSION}",
    "%(here)s",
    "a%zz",
    "file:x?mode=memory",
    "://",
    "Größe 字 🗿",
]


def at(job: Job, out: Path, storage: str | None = None) -> Job:
    return replace(job, run=replace(job.run, location=StudyLocation("tiny", out, storage)))


@pytest.mark.parametrize("name", NAMES)
def test_a_study_lies_in_the_folder_that_was_named(job: Job, tmp_path: Path, name: str) -> None:
    there = at(job, tmp_path / "here" / name)
    open_study(there.run)
    file = there.run.location.folder / "study.db"
    assert there.run.location.sqlite_file() == file
    made = {path.parent for path in (tmp_path / "here").rglob("*") if path.is_file()}
    assert made == {there.run.location.folder}
    # Its URL means the same to Optuna and its dashboard, and its readers find it.
    assert optuna.get_all_study_names(there.run.location.url) == ["tiny"]
    (listed,) = list_studies(there.run.location.out)
    assert (listed.name, listed.problem, listed.database) == ("tiny", None, str(file))


def test_two_folders_hold_two_studies(job: Job, tmp_path: Path) -> None:
    one, other = (at(job, tmp_path / name) for name in ("what?/a", "what?/b"))
    work(replace(one, total=1))
    open_study(other.run)
    assert len(open_finished(one.run.location).trials) == 1
    assert not open_finished(other.run.location).trials


@pytest.mark.parametrize("name", ["{x}", "{", "a%20b", "a%3Fb"])
def test_a_storage_may_hold_them_too(job: Job, tmp_path: Path, name: str) -> None:
    there = at(job, tmp_path, f"sqlite:///{tmp_path}/{name}.db")
    open_study(there.run)
    file = there.run.location.sqlite_file()
    assert file is not None
    assert file.exists()
    assert file.name in ("{x}.db", "{.db", "a b.db", "a?b.db")
    assert [trial.state for trial in open_finished(there.run.location).trials] == []


def test_a_path_that_is_no_text_is_one_message(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["--study", "smoke", "--dry-run", "--out", str(tmp_path / "a\udcff")]
    )
    assert result.exit_code == 1, result.output
    assert "error: --out" in result.output
    with pytest.raises(StudyError, match="no text in UTF-8"):
        StudyLocation("tiny", tmp_path / "a\udcff")


def test_an_error_does_not_hide_an_interrupt(tmp_path: Path) -> None:
    def ping() -> None:  # as SQLAlchemy's of a PostgreSQL connection
        try:
            raise KeyboardInterrupt
        finally:
            raise sqlite3.ProgrammingError("can't change 'autocommit' now")

    with pytest.raises(KeyboardInterrupt), StudyLocation("tiny", tmp_path).explained():
        ping()


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
