from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from hpo.search.workers.worker import Job
from hpo.study.config import StudyConfig
from hpo.study.errors import ConfigError, StudyError
from hpo.study.open import METRIC, open_as_run, open_finished, open_study, remember_data
from hpo.study.provenance import versions
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from tests.hpo.support import tiny_config


def test_a_study_knows_what_it_is(job: Job) -> None:
    study = open_study(job.run)
    assert study.study_name == "tiny"
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.metric_names == [METRIC]
    assert study.user_attrs["definition"] == job.run.config.identity()
    assert set(study.user_attrs["versions"]) >= {"siamese-hpo", "torch", "optuna", "revision"}
    assert versions()["optuna"] == optuna.__version__
    databases = [path.name for path in job.run.location.folder.iterdir()]
    assert "study.db" in databases


def test_another_definition_is_refused_with_the_difference(job: Job) -> None:
    study = open_study(job.run)
    remember_data(study, job.run, "one", "a" * 64)
    with pytest.raises(StudyError, match=r'search\.sampler: was "random", now "tpe"'):
        open_study(replace(job.run, config=tiny_config(sampler="tpe")))
    raw = job.run.config.model_dump()
    raw["parameters"]["fc.units"]["high"] = 40
    with pytest.raises(StudyError, match=r"parameters\.fc\.units: was .*32.*, now .*40"):
        open_study(replace(job.run, config=StudyConfig.model_validate(raw)))
    open_study(replace(job.run, config=tiny_config(trials=99)))


def test_a_study_that_never_began_takes_another_definition(job: Job) -> None:
    first = open_study(job.run)
    other = tiny_config(sampler="tpe")
    assert open_study(replace(job.run, config=other)).user_attrs["definition"] == other.identity()
    with pytest.raises(StudyError, match=r"search\.sampler"):
        remember_data(first, job.run, "one", "a" * 64)


def test_other_data_is_refused(job: Job) -> None:
    study = open_study(job.run)
    remember_data(study, job.run, "one", "a" * 64)
    remember_data(study, job.run, "one", "a" * 64)
    with pytest.raises(StudyError, match=r"was one \(aaaaaaaaaaaa\), now two \(bbbbbbbbbbbb\)"):
        remember_data(study, job.run, "two", "b" * 64)


def test_the_options_of_the_run_are_read_off_the_study(job: Job) -> None:
    changed = job.run.config.changed(seed=5, sampler="tpe")
    open_study(replace(job.run, config=changed))
    _, run = open_as_run(job.run)
    assert run.config.identity() == changed.identity() != job.run.config.identity()


def test_no_name_of_data_is_not_data_last_found(job: Job) -> None:
    study = open_study(job.run)
    remember_data(study, job.run, "one", "a" * 64)
    assert open_as_run(job.run)[1].config.data == job.run.config.data
    with pytest.raises(ConfigError, match=r"data\.dataset = ''"):
        open_as_run(job.run, "")


def test_a_foreign_study_is_not_touched(job: Job) -> None:
    with job.run.location.exclusive():
        foreign = optuna.create_study(study_name="tiny", storage=job.run.location.database())
    foreign.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(StudyError):
        open_study(job.run)


def test_reading_never_makes_a_study(tmp_path: Path, job: Job) -> None:
    with pytest.raises(StudyError, match="there is no study tiny"):
        open_finished(job.run.location)
    assert not job.run.location.folder.exists()
    open_study(job.run)
    assert open_finished(job.run.location).study_name == "tiny"
    other = replace(job.run.location, name="other", storage=job.run.location.url)
    with pytest.raises(StudyError, match="there is no study other"):
        open_finished(other)


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + bytes(2000)])
def test_a_corrupt_database_is_one_message(job: Job, content: bytes) -> None:
    job.run.location.folder.mkdir()
    (job.run.location.folder / "study.db").write_bytes(content)
    with pytest.raises(StudyError, match="is damaged"):
        open_study(job.run)
    assert (job.run.location.folder / "study.db").read_bytes() == content


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path: Path, job: Job) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="cannot be used"):
        open_study(replace(job.run, location=StudyLocation("tiny", tmp_path / "file")))


def test_passwords_are_in_no_error() -> None:
    location = StudyLocation("tiny", storage="postgresql+psycopg://me:secret@127.0.0.1:1/db")
    with pytest.raises(StudyError) as caught:
        open_study(StudyRun(config=tiny_config(), location=location))
    assert "secret" not in str(caught.value)


def test_a_cursor_that_ctrl_c_hit_is_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    pool = sqlalchemy.create_engine("sqlite://").pool
    pool.logger.error("Error closing cursor", exc_info=KeyboardInterrupt())
    assert not caplog.records


def test_a_renamed_study_is_not_begun_anew_beside(job: Job) -> None:
    file = job.run.location.folder / "study.db"
    file.parent.mkdir()
    optuna.create_study(storage=f"sqlite:///{file}", study_name="other name")
    for do in (lambda: open_study(job.run), lambda: open_finished(job.run.location)):
        with pytest.raises(StudyError, match='holds no study tiny, but "other name"'):
            do()
    assert optuna.get_all_study_names(f"sqlite:///{file}") == ["other name"]
