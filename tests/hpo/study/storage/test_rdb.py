import sqlite3
from dataclasses import replace

import pytest

from hpo.search.workers.worker import Job, work
from hpo.study.errors import StudyError
from hpo.study.open import open_study
from tests.hpo.support import tiny_job


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_database_is_one_message_and_left_alone(job: Job, share: float) -> None:
    work(replace(job, total=1))
    copy = tiny_job(job.run.location.folder / "copy")
    copy.run.location.folder.mkdir(parents=True)
    file = copy.run.location.folder / "study.db"
    with (
        sqlite3.connect(job.run.location.folder / "study.db") as whole,
        sqlite3.connect(file) as other,
    ):
        whole.backup(other)
    whole.close()
    other.close()
    before = file.read_bytes()[: int(file.stat().st_size * share)]
    file.write_bytes(before)
    with pytest.raises(StudyError, match=r"is damaged or no database .* left as it"):
        open_study(copy.run)
    assert file.read_bytes() == before


def test_a_database_of_another_version_is_one_message(job: Job) -> None:
    open_study(job.run)
    connection = sqlite3.connect(job.run.location.folder / "study.db")
    connection.execute("UPDATE alembic_version SET version_num = 'v9.9.9.a'")
    connection.commit()
    connection.close()
    with pytest.raises(StudyError, match="another version of Optuna"):
        open_study(job.run)
