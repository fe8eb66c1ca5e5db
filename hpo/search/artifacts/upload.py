"""What a dashboard shows of a study beside its numbers: notes and pictures."""

import logging
import tempfile
from pathlib import Path

import optuna
from optuna.trial import TrialState

from hpo.study.config import StudyConfig
from hpo.study.samplers.table import quiet
from hpo.study.storage.location import StudyLocation
from model.training.trainer import Trainer

_log = logging.getLogger(__name__)

CURVE, ANSWERS = "training-curve.png", "one-shot-answers.png"


class TrialArtifacts:
    """Keeps a note and pictures of a study's trials, the pictures in its ``artifacts/``.

    They are a convenience: where one cannot be made or kept, the log says so and the study goes on.
    """

    def __init__(self, study: optuna.Study, config: StudyConfig, location: StudyLocation):
        self._study, self._config, self._location = study, config, location

    def begin(self) -> None:
        """Give the study its note, unless it has one, which a person may have changed since."""
        try:
            from optuna_dashboard import get_note, save_note

            from hpo.search.artifacts.notes import study_note

            if not get_note(self._study):
                data = self._study.user_attrs["data"]
                save_note(self._study, study_note(self._config, self._location, data))
        except Exception as error:
            _log.warning("the study's note could not be kept: %s", error)

    def add(self, trial: optuna.Trial, trainer: Trainer, *, pruned: bool) -> None:
        """Keep what came of a trial that is trained but not yet told: a told one is closed.

        The trainer's net is left with its best epoch's parameters.
        """
        for keep in (self._keep_note, self._keep_pictures):
            try:
                with quiet():
                    keep(trial, trainer, pruned)
            except Exception as error:
                what = keep.__name__.removeprefix("_keep_")
                _log.warning("trial %d: its %s could not be kept: %s", trial.number, what, error)

    def _keep_note(self, trial: optuna.Trial, trainer: Trainer, pruned: bool) -> None:
        from optuna_dashboard import save_note

        from hpo.search.artifacts.notes import trial_note

        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        note = trial_note(
            trial.number,
            trainer.hyperparameters,
            trainer.history,
            self._config,
            pruned=pruned,
            device=trial.user_attrs["device"],
            others=complete,
        )
        save_note(trial, note)

    def _keep_pictures(self, trial: optuna.Trial, trainer: Trainer, pruned: bool) -> None:
        from optuna.artifacts import FileSystemArtifactStore, upload_artifact

        from hpo.search.artifacts.thumbnails import draw_answers, draw_history

        folder = self._location.artifacts
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
