"""Notes and pictures of a study and its trials, kept for the dashboard."""

import logging
import tempfile
from pathlib import Path

import optuna
from optuna.trial import TrialState

from hpo.search.artifacts.notes import study_note, trial_note
from hpo.search.objective import OnTrialEnd
from hpo.study.record import StudyRecord
from hpo.study.run import StudyRun
from hpo.study.samplers.table import quiet
from model.training.trainer import Trainer

_log = logging.getLogger(__name__)

CURVE, ANSWERS = "training-curve.png", "one-shot-answers.png"


def keep_artifacts(study: optuna.Study, run: StudyRun) -> OnTrialEnd:
    """Write the study's note, and return what keeps a note and pictures of each finished trial.

    They are a convenience: if one cannot be made or kept, a warning is logged and the study
    continues. The pictures lie in the study's ``artifacts/``.
    """
    try:
        from optuna_dashboard import get_note, save_note

        # A person may have edited the note since it was written.
        if not get_note(study):
            save_note(study, study_note(run, StudyRecord.of(study).data or {}))
    except Exception as error:
        _log.warning("the study's note could not be kept: %s", error)

    def on_trial_end(trial: optuna.Trial, trainer: Trainer, pruned: bool) -> None:
        for what, keep in (
            ("note", lambda: _keep_note(study, run, trial, trainer, pruned)),
            ("pictures", lambda: _keep_pictures(run, trial, trainer)),
        ):
            try:
                with quiet():
                    keep()
            except Exception as error:
                _log.warning("trial %d: its %s could not be kept: %s", trial.number, what, error)

    return on_trial_end


def _keep_note(
    study: optuna.Study, run: StudyRun, trial: optuna.Trial, trainer: Trainer, pruned: bool
) -> None:
    from optuna_dashboard import save_note

    note = trial_note(
        trial.number,
        trainer.hyperparameters,
        trainer.history,
        run.config,
        pruned=pruned,
        others=study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)),
    )
    save_note(trial, note)


def _keep_pictures(run: StudyRun, trial: optuna.Trial, trainer: Trainer) -> None:
    from optuna.artifacts import FileSystemArtifactStore, upload_artifact

    from hpo.search.artifacts.thumbnails import draw_answers, draw_history

    folder = run.location.artifacts
    folder.mkdir(parents=True, exist_ok=True)
    store = FileSystemArtifactStore(folder)
    trainer.net.load_state_dict(trainer.best_parameters)
    # An artifact is recorded before it is written. Beside it, a full disk shows up first.
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=folder) as drawing:
        curve, answers = Path(drawing, CURVE), Path(drawing, ANSWERS)
        draw_history(trainer.history, 1 / trainer.validation.trials.way, curve)
        draw_answers(trainer.net, trainer.validation.trials, answers)
        for path in (curve, answers):
            upload_artifact(study_or_trial=trial, file_path=str(path), artifact_store=store)
