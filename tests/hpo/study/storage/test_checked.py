import sqlite3
from contextlib import closing

import pytest
from optuna.distributions import FloatDistribution

from hpo.search.workers.heartbeat import this_process
from hpo.search.workers.worker import Job
from hpo.study.errors import StudyError
from hpo.study.open import open_finished, open_study
from hpo.study.record import StudyRecord
from hpo.study.trials import records
from hpo.terminal.listing import list_studies
from tests.hpo.support import name_worker


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE trials SET state = 'COMPLETF'",
        "UPDATE trials SET datetime_start = '2O26-01-01'",
        "UPDATE trial_values SET value = 'half'",
        "UPDATE trial_values SET value_type = 'FINITF'",
        "UPDATE trial_intermediate_values SET intermediate_value = 'half'",
        "UPDATE trial_params SET distribution_json = '{'",
        "UPDATE trial_params SET param_value = 'half'",
        "UPDATE trial_system_attributes SET value_json = '{'",
        "UPDATE study_user_attributes SET value_json = '{'",
        "UPDATE trials SET number = NULL",
        "UPDATE trials SET datetime_complete = NULL",
        "DELETE FROM study_directions",
        "UPDATE study_directions SET direction = 'MAXIMIZF'",
    ],
)
def test_a_record_that_cannot_be_is_one_message(job: Job, change: str) -> None:
    study = open_study(job.run)
    trial = study.ask({"x": FloatDistribution(0, 1)})
    trial.report(0.5, 1)
    name_worker(study, trial._trial_id, this_process())
    study.tell(trial, 0.5)
    file = job.run.location.sqlite_file()
    assert file is not None
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute(change).rowcount
    for opened in (lambda: open_finished(job.run.location), lambda: open_study(job.run)):
        with pytest.raises(StudyError, match="damaged: it holds a record that cannot be"):
            records(opened()), StudyRecord.of(opened())
    (listed,) = list_studies(job.run.location.out)
    assert "a record that cannot be" in str(listed.problem)
