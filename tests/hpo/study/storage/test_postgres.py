"""Studies on a real PostgreSQL server, shared by machines: processes with own folders."""

import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy
from optuna.trial import TrialState
from typer.testing import CliRunner

from hpo.search.artifacts.upload import keep_artifacts
from hpo.search.workers.queue import next_trial
from hpo.search.workers.worker import Job, work
from hpo.study.attempts import finished
from hpo.study.errors import StudyError
from hpo.study.open import open_finished, open_study
from hpo.study.storage.location import StudyLocation
from hpo.study.storage.rdb import open_database
from hpo.study.storage.retry import RETRY_SECONDS
from hpo.study.trials import TrialRecord
from run_study import app
from tests import ROOT
from tests.hpo.postgres import PASSWORD, Pooler, Server, binaries
from tests.hpo.support import claimed_at_once, frozen, tiny_job
from tests.python import Python, run_python


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    try:
        import psycopg  # noqa: F401
    except ImportError:
        missing = 'psycopg, the extra "postgres"'
    else:
        missing = "" if binaries() else "a PostgreSQL server (Debian's package postgresql)"
    if missing:
        if os.environ.get("CI"):
            pytest.fail(f"missing: {missing}")
        pytest.skip(f"missing: {missing}")
    server = Server()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def shared(server: Server, tmp_path: Path) -> Job:
    """The work on a tiny study in a database of its own."""
    name = f"db{time.time_ns()}"
    engine = sqlalchemy.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    job = tiny_job(tmp_path / "one", 6)
    location = replace(job.run.location, storage=f"{server.url[: -len('postgres')]}{name}")
    return replace(job, run=replace(job.run, location=location), artifacts=keep_artifacts)


def machine(job: Job, out: Path, epoch_seconds: float) -> Python:
    """Start a process that works on the study from a folder of its own."""
    command = ["-m", "tests.hpo.support", out, job.total, epoch_seconds, json.dumps({})]
    there = {**os.environ, "STUDY_STORAGE": job.run.location.storage or ""}
    return Python(command, cwd=ROOT, env=there)


def values(job: Job) -> dict[str, float | None]:
    found = {}
    for trial in open_finished(job.run.location).get_trials(states=(TrialState.COMPLETE,)):
        key = json.dumps([trial.params, TrialRecord.of(trial).seed], sort_keys=True)
        assert key not in found
        found[key] = trial.value
    return found


def test_a_study_is_made_runs_and_goes_on(shared: Job, tmp_path: Path) -> None:
    quiet = tiny_job(tmp_path / "quiet", 3)
    work(quiet)
    work(replace(shared, total=1))
    work(replace(shared, total=3))
    assert values(shared) == values(quiet)


def test_two_machines_one_killed_end_at_the_total(shared: Job, tmp_path: Path) -> None:
    quiet = tiny_job(tmp_path / "quiet", 6)
    work(quiet)
    machines = [machine(shared, tmp_path / name, 0.2) for name in ("one", "two", "three")]
    study = open_study(shared.run)
    end = time.monotonic() + 200
    while len(study.get_trials(states=(TrialState.RUNNING,))) < 3 and time.monotonic() < end:
        time.sleep(0.1)
    machines[0].kill()
    machines[0].wait()
    for process in machines[1:]:
        assert process.wait(300) == 0, process.said()
        assert PASSWORD not in "".join(process.said())
    assert values(shared) == values(quiet)
    assert finished(study) == 6


def test_a_server_that_crashes_is_waited_for(shared: Job, server: Server) -> None:
    study = open_study(shared.run)
    work(replace(shared, total=1))
    server.stop()
    starting = threading.Timer(2, server.start)
    starting.start()
    try:
        assert next_trial(study, shared.run.location, 6, seed=0) is not None
        assert finished(study) == 1
    finally:
        starting.join()


def test_a_server_that_stays_away_is_one_message(
    shared: Job, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.study.storage.retry.RETRY_SECONDS", 0.5)
    study = open_study(shared.run)
    server.stop()
    try:
        with pytest.raises(StudyError, match="cannot be used") as caught:
            next_trial(study, shared.run.location, 6, seed=0)
    finally:
        server.start()
    assert PASSWORD not in str(caught.value)
    assert next_trial(study, shared.run.location, 6, seed=0) is not None


@pytest.mark.parametrize("there", [True, False], ids=["wrong password", "server down"])
def test_the_password_is_never_shown(
    shared: Job, server: Server, tmp_path: Path, there: bool
) -> None:
    url = shared.run.location.storage or ""
    wrong = "wrong-Pa55word"
    if there:
        url = url.replace(PASSWORD.replace("/", "%2F"), wrong)
    else:
        url = url.replace(str(server.port), "1")
    place = ("--out", tmp_path, "--storage", url)
    done = run_python([ROOT / "run_study.py", "--study", "smoke", *place], cwd=ROOT)
    assert done.returncode == 1
    output = done.stdout + done.stderr
    assert output.count("error:") == 1, output
    for secret in (PASSWORD, PASSWORD.replace("/", "%2F"), wrong):
        assert secret not in output


def test_the_password_is_in_no_note_attribute_file_or_plan(shared: Job) -> None:
    work(replace(shared, total=2))
    study = open_finished(shared.run.location)
    kept = [study.user_attrs, study._storage.get_study_system_attrs(study._study_id)]
    kept += [[trial.user_attrs, trial.system_attrs] for trial in study.trials]
    text = json.dumps(kept, default=str)
    files = [path for path in shared.run.location.out.rglob("*") if path.is_file()]
    assert files
    for secret in (PASSWORD, PASSWORD.replace("/", "%2F")):
        assert secret not in text
        assert secret not in shared.run.location.options()
        assert secret not in repr(shared.run.location.shown_url)
        assert all(secret.encode() not in path.read_bytes() for path in files)
    words = ["--study", "smoke", "--dry-run", "--storage", shared.run.location.storage or ""]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    assert PASSWORD.replace("/", "%2F") not in result.output


def test_the_lock_is_one_at_a_time_and_ends_with_its_process(
    shared: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.study.storage.lock.LOCK_SECONDS", 1)
    with shared.run.location.exclusive():
        with pytest.raises(StudyError, match="has held the lock"), shared.run.location.exclusive():
            raise AssertionError("two hold the lock")
        # Another study on the same server is another's.
        with StudyLocation(
            "other", shared.run.location.out, shared.run.location.storage
        ).exclusive():
            pass
    with shared.run.location.exclusive():
        pass


@pytest.mark.parametrize("ends", [signal.SIGCONT, signal.SIGKILL])
def test_a_frozen_holder_is_named_and_waited_for(
    shared: Job,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    ends: signal.Signals,
) -> None:
    monkeypatch.setattr("hpo.study.storage.lock.TOLD_SECONDS", 0.3)
    program = """if True:
        import os, time
        from hpo.study.storage.lock import server_lock
        with server_lock(os.environ["STUDY_STORAGE"], "tiny"):
            print("held", flush=True)
            time.sleep(0.5)
    """
    environment = {**os.environ, "STUDY_STORAGE": shared.run.location.url}
    command = [sys.executable, "-c", program]
    holding = frozen(command, caplog, until="has held", ends=ends, cwd=ROOT, env=environment)
    with holding as holder, shared.run.location.exclusive():
        pass
    assert caplog.text.count(f"process {holder.pid} on {socket.gethostname()} has held") == 1


def test_a_process_has_two_connections_at_most(shared: Job, server: Server) -> None:
    """One for the database, which all of its threads share, and one for the lock."""
    storage = open_database(shared.run.location.url, None)

    def ask(_: int) -> list[int]:
        # Of this test's own database: others of this process may be open still.
        asked = (
            "SELECT array_agg(pid), pg_sleep(0.2) FROM pg_stat_activity "
            "WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        with storage.engine.connect() as connection:
            return connection.execute(sqlalchemy.text(asked)).one()[0]

    with shared.run.location.exclusive(), ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(ask, range(4)))
    assert [len(pids) for pids in seen] == [2] * 4
    storage.engine.dispose()


def test_too_few_connections_are_an_answer_with_the_cure(
    shared: Job, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.study.storage.retry.CROWDED_SECONDS", 1)
    open_study(shared.run)
    role = f"few{time.time_ns()}"
    engine = sqlalchemy.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in (
            f"CREATE ROLE {role} LOGIN PASSWORD 'few' CONNECTION LIMIT 1",
            f"GRANT pg_read_all_data, pg_write_all_data TO {role}",
        ):
            connection.execute(sqlalchemy.text(statement))
    engine.dispose()
    url = sqlalchemy.make_url(shared.run.location.url).set(username=role, password="few")
    location = replace(shared.run.location, storage=url.render_as_string(hide_password=False))
    started = time.monotonic()
    with pytest.raises(StudyError, match=r"too many connections .* give fewer --workers"):
        work(replace(shared, run=replace(shared.run, location=location)))
    assert time.monotonic() - started < RETRY_SECONDS / 2


def test_a_pooler_may_stand_between(
    server: Server, shared: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("pgbouncer") is None:
        pytest.skip("missing: PgBouncer (Debian's package pgbouncer)")
    monkeypatch.setattr("hpo.study.storage.lock.LOCK_SECONDS", 2)
    shared = replace(shared, total=3)
    quiet = tiny_job(tmp_path / "quiet", 3)
    work(quiet)
    pooler = Pooler(server)
    try:
        location = replace(shared.run.location, storage=pooler.url(shared.run.location.url))
        pooled = replace(shared, run=replace(shared.run, location=location))
        open_study(pooled.run)
        machines = [machine(pooled, tmp_path / name, 0.1) for name in ("one", "two")]
        for process in machines:
            assert process.wait(200) == 0, process.said()
        assert values(pooled) == values(quiet)
        # Nothing is left locked, and the lock is one.
        with (
            location.exclusive(),
            pytest.raises(StudyError, match="has held the lock"),
            location.exclusive(),
        ):
            raise AssertionError("two hold the lock")
    finally:
        pooler.close()
    assert values(shared) == values(quiet)


def test_a_trial_is_claimed_once_though_the_lock_be_broken(
    shared: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudyLocation, "exclusive", lambda _: nullcontext())
    claimed = claimed_at_once(shared, threads=3, rounds=4)
    assert len(claimed) > 2
    assert len(set(claimed)) == len(claimed)
