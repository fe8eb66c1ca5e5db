import logging
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import torch
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import TrialState
from optuna_dashboard import get_note, save_note

import hpo.search.artifacts.thumbnails
from hpo.search.artifacts.notes import trial_note, verdict
from hpo.search.artifacts.upload import ANSWERS, CURVE
from hpo.search.workers.worker import Job, work
from hpo.study.open import open_finished
from hpo.training.data import load_data
from model.net.siamese import parameter_count
from model.training.cost import training_flops_per_pair
from model.training.trainer import EpochResult
from tests.hpo.support import tiny_config


def result(epoch: int, accuracy: float, diverged: bool = False) -> EpochResult:
    return EpochResult(
        epoch=epoch,
        loss=float("nan") if diverged else 0.5,
        verification_accuracy=0.6,
        one_shot_accuracy=accuracy,
        seconds=2.0,
        pairs_per_second=100.0,
        pairs_seen=128 * epoch,
        diverged=diverged,
    )


def test_a_study_and_its_trials_have_notes_and_pictures(job: Job) -> None:
    work(replace(job, total=1))
    study = open_finished(job.location)
    note = get_note(study)
    assert f"python run_study.py {job.location.options()} --trials 4" in note
    assert "conv1.learning_rate" in note
    assert "4-way" in note
    trial = study.trials[0]
    assert trial.state == TrialState.COMPLETE
    assert "| conv1 | 4 @ 3x3, pooled |" in get_note(optuna.Trial(study, trial._trial_id))
    kept = get_all_artifact_meta(trial, storage=study._storage)
    assert {meta.filename for meta in kept} == {CURVE, ANSWERS}
    assert {meta.mimetype for meta in kept} == {"image/png"}
    assert {meta.artifact_id for meta in kept} == {p.name for p in job.location.artifacts.iterdir()}


def test_a_note_that_a_person_changed_stays(job: Job) -> None:
    work(replace(job, total=1))
    save_note(open_finished(job.location), "mine")
    work(replace(job, total=2))
    assert get_note(open_finished(job.location)) == "mine"


@pytest.mark.parametrize("broken", ["draw", "folder", "note"])
def test_no_picture_or_note_is_worth_a_trial(
    job: Job,
    broken: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no ink left")

    if broken == "draw":
        monkeypatch.setattr(hpo.search.artifacts.thumbnails, "draw_answers", fail)
    elif broken == "note":
        monkeypatch.setattr("optuna_dashboard.save_note", fail)
    else:
        job.location.folder.mkdir(parents=True)
        job.location.artifacts.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        work(replace(job, total=1))
    trial = open_finished(job.location).trials[0]
    assert trial.state == TrialState.COMPLETE
    assert not any(key.startswith("artifacts:") for key in trial.system_attrs) or broken == "note"
    assert "could not be kept" in caplog.text


def test_the_layers_add_up_to_the_net(job: Job) -> None:
    config = tiny_config()
    hyperparameters = config.space().hyperparameters(config.space().initial_configurations[0])
    note = trial_note(7, hyperparameters, [result(1, 0.5)], config, pruned=False, device="cpu")
    rows = [line.split(" | ") for line in note.splitlines() if line.startswith(("| conv", "| fc"))]
    rows += [line.split(" | ") for line in note.splitlines() if line.startswith("| output")]
    total = sum(int(row[3].replace(",", "")) for row in rows)
    assert total == parameter_count(hyperparameters.architecture)
    flops = training_flops_per_pair(hyperparameters.architecture)
    assert f"{flops / 1e6:.3g} MFLOP a pair" in note


@pytest.mark.parametrize(
    ("history", "pruned", "words"),
    [
        ([result(1, 0.5), result(2, 0.25, diverged=True)], False, "Diverged"),
        ([result(1, 0.5)], True, "Stopped by the pruner"),
        ([result(1, 0.25), result(2, 0.24)], False, "Learnt nothing"),
        ([result(1, 0.5), result(2, 0.6)], False, "Still improving"),
        ([result(1, 0.7), result(2, 0.6)], False, "Best at epoch 1"),
    ],
)
def test_verdicts(history: list[EpochResult], pruned: bool, words: str) -> None:
    other = optuna.trial.create_trial(value=0.65)
    said = verdict(history, tiny_config(), pruned=pruned, others=[other])
    assert words in said
    best = max(one.one_shot_accuracy for one in history)
    assert (f"Place {1 + (best < 0.65)} of the 2" in said) is not pruned


def test_pictures_are_drawn_of_anything(job: Job, tmp_path: Path) -> None:
    from hpo.search.artifacts.thumbnails import draw_answers, draw_history
    from model.net.siamese import SiameseNet

    folder = tmp_path
    draw_history([result(1, 0.25, diverged=True)], 0.25, folder / "curve.png")
    inputs = load_data(job.config, None, "cpu")
    space = job.config.space()
    net = SiameseNet(space.hyperparameters(space.initial_configurations[0]).architecture)
    with torch.no_grad():
        net.output.weight.fill_(float("nan"))
    draw_answers(net, inputs.validation.trials, folder / "answers.png")
    assert {path.name for path in folder.glob("*.png")} == {"curve.png", "answers.png"}
