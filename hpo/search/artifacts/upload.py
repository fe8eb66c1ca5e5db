"""Notes and pictures of a study and its trials, kept for the dashboard."""

import logging
import tempfile
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from hpo.search.artifacts.notes import failed_note, study_note, trial_note
from hpo.search.hooks import Observer
from hpo.study.errors import StudyError
from hpo.study.record import StudyRecord
from hpo.study.run import StudyRun
from hpo.study.samplers.table import quiet
from hpo.study.storage.retry import no_retry
from hpo.study.trials import original_number, records
from model.training.trainer import Trainer

_log = logging.getLogger(__name__)

CURVE, ANSWERS = "training-curve.png", "one-shot-answers.png"
NOTE_SECONDS = 5.0
"""A running trial's note changes at most this often."""
_PAUSE = 200
"""And rests for this many times what writing it took: in a slow database it costs 0.5 % at most."""
_MARK = "[//]: # (written by siamese-hpo, "
"""How the last line of a note begins, a comment in Markdown; the note's checksum follows."""


def keep_artifacts(study: optuna.Study, run: StudyRun) -> Observer:
    """Write the study's note, and return what keeps a note and pictures of each trial.

    They are a convenience: if one cannot be made or kept, a warning is logged and the study
    continues. A note that a person has changed is left alone. The pictures lie in the study's
    ``artifacts/``.
    """
    return _Artifacts(study, run)


class _Artifacts(Observer):
    def __init__(self, study: optuna.Study, run: StudyRun):
        self._study, self._run = study, run
        self._failed: dict[int, str] = {}
        self._due = 0.0
        data = StudyRecord.of(study).data or {}
        self._try("the study's note", lambda: _keep(study, study_note(run, data)))

    def on_start(self, trial: optuna.Trial, trainer: Trainer) -> None:
        self._keep_note(trial, trainer, TrialState.RUNNING)

    def on_epoch(self, trial: optuna.Trial, trainer: Trainer) -> None:
        if time.monotonic() >= self._due:
            self._keep_note(trial, trainer, TrialState.RUNNING)

    def on_end(self, trial: optuna.Trial, trainer: Trainer, pruned: bool) -> None:
        self._keep_note(trial, trainer, TrialState.PRUNED if pruned else TrialState.COMPLETE)
        self._try(
            f"trial {trial.number}: its pictures", lambda: _keep_pictures(self._run, trial, trainer)
        )

    def between_trials(self) -> None:
        """Say of each failed trial why it failed, and which trial retries it."""

        def keep() -> None:
            # Where the database is away, the trials themselves wait for it, or say so.
            with no_retry(), suppress(StorageInternalError, StudyError):
                known = records(self._study)
                for record in known:
                    if record.state == TrialState.FAIL:
                        note = failed_note(record, known, self._run.config)
                        if self._failed.get(record.number) != note:
                            _keep(_told(self._study, record.number), note)
                            self._failed[record.number] = note

        self._try("the notes of failed trials", keep)

    def _keep_note(self, trial: optuna.Trial, trainer: Trainer, state: TrialState) -> None:
        start = time.monotonic()
        first = original_number(trial)
        self._try(
            f"trial {trial.number}: its note",
            lambda: _keep(
                trial,
                trial_note(
                    trial.number,
                    trainer.hyperparameters,
                    trainer.history,
                    self._run.config,
                    state=state,
                    others=self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)),
                    retry_of=None if first == trial.number else first,
                ),
            ),
        )
        now = time.monotonic()
        self._due = now + max(NOTE_SECONDS, _PAUSE * (now - start))

    def _try(self, what: str, keep: Callable[[], None]) -> None:
        try:
            with quiet():
                keep()
        except Exception as error:
            _log.warning("%s could not be kept: %s", what, error)


def _told(study: optuna.Study, number: int) -> Any:
    """Return what the dashboard needs of a finished trial; `optuna.Trial` would sample anew."""
    trial = study.get_trials(deepcopy=False)[number]
    return SimpleNamespace(study=study, storage=study._storage, _trial_id=trial._trial_id)


def _keep(where: optuna.Study | optuna.Trial, text: str) -> None:
    """Save a note, unless a person has changed the one that is there."""
    from optuna_dashboard import get_note, save_note

    kept, note = get_note(where), f"{text}\n{_mark(text)}"
    written, mark, _ = kept.rpartition(f"\n{_MARK}")
    if not kept or (mark and kept != note and kept == f"{written}\n{_mark(written)}"):
        save_note(where, note)


def _mark(text: str) -> str:
    return f"{_MARK}{zlib.crc32(text.encode(errors='replace')):08x})\n"


def _keep_pictures(run: StudyRun, trial: optuna.Trial, trainer: Trainer) -> None:
    from optuna.artifacts import FileSystemArtifactStore, upload_artifact

    from hpo.search.artifacts.thumbnails import draw_answers, draw_history

    folder = run.location.artifacts
    folder.mkdir(parents=True, exist_ok=True)
    store = FileSystemArtifactStore(folder)
    trainer.evaluated.load_state_dict(trainer.best_parameters)
    # An artifact is recorded before it is written. Beside it, a full disk shows up first.
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=folder) as drawing:
        curve, answers = Path(drawing, CURVE), Path(drawing, ANSWERS)
        draw_history(trainer.history, 1 / trainer.validation.trials.way, curve)
        draw_answers(trainer.evaluated, trainer.validation.trials, answers)
        for path in (curve, answers):
            upload_artifact(study_or_trial=trial, file_path=str(path), artifact_store=store)
