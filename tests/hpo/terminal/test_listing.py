import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from typer.testing import CliRunner

from hpo.search.workers.worker import Job, work
from hpo.study.errors import StudyError
from hpo.study.open import open_finished, open_study
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import record_failure
from hpo.terminal.listing import list_studies
from run_study import app
from tests import ROOT
from tests.hpo.support import tiny_config


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        # The shared memory of SQLite's readers, gone when they are.
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_a_list_of_studies_reads_and_changes_nothing(job: Job, tmp_path: Path) -> None:
    work(replace(job, total=1))
    study = open_study(job.run)
    study.tell(study.ask(), state=TrialState.FAIL)  # interrupted: another goes on with it
    failed = study.ask()
    record_failure(study._storage, failed._trial_id, "RuntimeError: too wide")
    study.tell(failed, state=TrialState.FAIL)
    study.ask()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.db").write_text("not a database, but longer than its header")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "study.db").touch()
    before = contents(tmp_path)
    broken, empty, tiny = (next(_named(tmp_path, name)) for name in ("broken", "empty", "tiny"))
    assert (tiny.finished, tiny.running, tiny.failed) == (1, 1, 1)
    assert tiny.best == study.best_value
    assert tiny.latest is not None
    assert broken.problem
    assert empty.problem
    result = CliRunner().invoke(app, ["--list", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "tiny" in result.output
    assert f"{study.best_value:.1%}" in result.output
    for shipped in ("paper", "compact", "smoke"):
        assert shipped in result.output
    assert max(map(len, result.output.splitlines()[:8])) <= 80
    assert contents(tmp_path) == before


def _named(out: Path, name: str):  # type: ignore[no-untyped-def]
    return (one for one in list_studies(out) if one.name == name)


def test_a_storage_is_listed_and_none_is_made(tmp_path: Path) -> None:
    file = tmp_path / "shared.db"
    result = CliRunner().invoke(app, ["--list", "--storage", f"sqlite:///{file}"])
    assert result.exit_code == 1
    assert "there is no database" in result.output
    assert not file.exists()
    location = StudyLocation("tiny", tmp_path, f"sqlite:///{file}")
    open_study(StudyRun(config=tiny_config(), location=location))
    assert [one.name for one in list_studies(tmp_path / "none", location.storage)] == ["tiny"]


def test_no_command_overwrites_a_study(job: Job, tmp_path: Path) -> None:
    work(replace(job, total=1))
    before = optuna.load_study(study_name="tiny", storage=job.run.location.url).trials
    work(replace(job, total=1))
    result = CliRunner().invoke(app, ["--study", "tiny", "--out", str(tmp_path), "--dry-run"])
    assert result.exit_code == 0
    assert optuna.load_study(study_name="tiny", storage=job.run.location.url).trials == before


def test_names_and_descriptions_are_no_markup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    for name in ("[/x]", ":smile:"):
        optuna.create_study(storage=url, study_name=name)
    (tmp_path / "studies").mkdir()
    for name in ("mine", "[x]"):
        (tmp_path / "studies" / f"{name}.toml").write_text(
            'base = "smoke"\ndescription = "of [/x] :smile:"\n'
        )
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["--list", "--storage", url])
    assert result.exit_code == 0, result.output
    assert result.output.count("[/x]") == 2
    assert result.output.count(":smile:") == 2
    done = subprocess.run(
        [sys.executable, "-m", "run_study", "--help"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "[x]" in done.stdout


def test_a_renamed_study_is_listed_as_such(job: Job, tmp_path: Path) -> None:
    """Renaming in the dashboard copies the study under the new name and deletes the old one."""
    work(replace(job, total=1))
    optuna.copy_study(
        from_study_name="tiny",
        from_storage=job.run.location.url,
        to_storage=job.run.location.url,
        to_study_name="other name",
    )
    optuna.delete_study(study_name="tiny", storage=job.run.location.url)
    (one,) = list_studies(tmp_path)
    assert one.name == "tiny"
    assert 'holds no study tiny, but "other name"' in str(one.problem)


def test_a_study_of_several_objectives_is_named_and_the_others_are_listed(tmp_path: Path) -> None:
    location = StudyLocation("two", tmp_path)
    location.make_folder()
    study = optuna.create_study(
        study_name="two", storage=location.url, directions=["maximize", "minimize"]
    )
    study.add_trial(optuna.trial.create_trial(values=[0.5, 1.0]))
    open_study(StudyRun(config=tiny_config(), location=StudyLocation("tiny", tmp_path)))
    found = {one.name: one.problem for one in list_studies(tmp_path)}
    assert found == {"two": "it has 2 objectives, so it was not made here", "tiny": None}
    with pytest.raises(StudyError, match="study two has 2 objectives, so it was not made"):
        open_finished(location)
