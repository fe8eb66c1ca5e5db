from dataclasses import replace

import pytest
from optuna.trial import TrialState, create_trial

from hpo.search.artifacts.notes import failed_note, study_note, trial_note, verdict
from hpo.search.workers.worker import Job
from hpo.study.trials import TrialRecord
from hpo.terminal.commands import study_command
from model.net.siamese import parameter_count
from model.training.cost import training_flops_per_pair
from model.training.trainer import EpochResult
from tests.hpo.support import epoch_result as result
from tests.hpo.support import tiny_config

RUNNING, COMPLETE, PRUNED = TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED


def bare(note: str) -> str:
    """Return the note without the spaces between its columns."""
    return note.replace("\u2003", "")


def test_a_study_s_note_has_its_settings_commands_and_search_space(job: Job) -> None:
    note = bare(study_note(job.run, {"name": "tiny", "digest": "abcdef" * 9}))
    assert "| data | tiny (abcdefabcdef), background full, 16 px, drawers: all |" in note
    assert "| trials | 4 in all |" in note
    assert "40 trials, 4-way" in note
    assert "chance is 25.0%" in note
    assert "1 initial configurations, seed 0" in note
    assert f"{study_command('run', job.run.location, anywhere=True)} --trials 4" in note
    for name in job.run.config.space().searched:
        assert f"| `{name}` | " in note


def test_names_and_descriptions_are_no_markup_in_a_note(job: Job) -> None:
    config = job.run.config.model_copy(update={"description": "<img src=x> # $a$"})
    note = bare(
        study_note(replace(job.run, config=config), {"name": "a|b", "digest": "abcdef" * 9})
    )
    assert r"\<img src=x\> \# \$a\$" in note
    assert r"| data | a\|b (abc" in note


def test_the_layers_add_up_to_the_net() -> None:
    config = tiny_config()
    hyperparameters = config.space().hyperparameters(config.space().initial_configurations[0])
    history = [result(1, 0.5), result(2, 0.6)]
    note = bare(trial_note(7, hyperparameters, history, config, state=COMPLETE))
    kinds = ("| conv", "| fc", "| output")
    rows = [line.split(" | ") for line in note.splitlines() if line.startswith(kinds)]
    total = sum(int(row[3].replace(",", "")) for row in rows)
    assert total == parameter_count(hyperparameters.architecture)
    flops = training_flops_per_pair(hyperparameters.architecture)
    assert f"Training: {flops / 1e6:.3g} MFLOP per pair" in note
    assert note.startswith("# Trial 7: 60.0%\n")


@pytest.mark.parametrize(
    ("history", "state", "words"),
    [
        ([result(1, 0.5), result(2, 0.25, diverged=True)], COMPLETE, "Diverged"),
        (
            [result(1, 0.5), replace(result(2, 0.25), collapsed=True)],
            COMPLETE,
            "**Collapsed**: back at chance in epoch 2. It counts with its best epoch, 1.",
        ),
        (
            [result(1, 0.5), replace(result(2, 0.25), collapsed=True)],
            PRUNED,
            "**Collapsed**: back at chance in epoch 2. It goes no further.",
        ),
        ([result(1, 0.5)], PRUNED, "Pruned"),
        ([result(1, 0.25), result(2, 0.24)], COMPLETE, "No better than chance"),
        ([result(1, 0.5), result(2, 0.6)], COMPLETE, "Still improving"),
        ([result(1, 0.7), result(2, 0.6)], COMPLETE, "Best at epoch 1"),
        ([result(1, 0.7), result(2, 0.6)], RUNNING, "epoch 2 of at most 3, best at epoch 1"),
    ],
)
def test_verdicts(history: list[EpochResult], state: TrialState, words: str) -> None:
    other = create_trial(value=0.65)
    said = verdict(history, tiny_config(), state=state, others=[other])
    assert words in said
    best = max(one.one_shot_accuracy for one in history)
    assert (f"Rank {1 + (best < 0.65)} of 2" in said) is (state == COMPLETE)


def test_a_paused_trial_s_verdict_says_when_it_goes_on() -> None:
    said = verdict([result(1, 0.4)], tiny_config(pruner="asha"), state=PRUNED)
    assert "**Paused** at the rung of epoch 1; it goes on" in said
    assert "among the best third there and not behind the best of the rung before" in said


def test_a_running_trial_s_note_tells_how_far_it_is() -> None:
    config = tiny_config()
    hyperparameters = config.space().hyperparameters(config.space().initial_configurations[0])
    begun = bare(trial_note(7, hyperparameters, [], config, state=RUNNING, retry_of=5))
    assert begun.startswith("# Trial 7\n\n**Running**: in its first epoch.\n")
    assert "A retry of [trial 5](?numbers=5)." in begun
    assert "| conv1 |" in begun
    later = trial_note(7, hyperparameters, [result(1, 0.5)], config, state=RUNNING)
    assert later.startswith("# Trial 7: 50.0% so far\n")
    assert "retry" not in later


def attempts(*changes: dict[str, object]) -> list[TrialRecord]:
    one = TrialRecord.of(create_trial(state=TrialState.FAIL))
    return [replace(one, number=i, **each) for i, each in enumerate(changes)]  # type: ignore[arg-type]


def test_a_failed_trial_s_note_tells_why() -> None:
    reason = "OSError: | no *room* " + "x" * 500
    (trial,) = attempts({"failure": reason, "original_number": 0})
    note = failed_note(trial, [trial], tiny_config())
    assert note.startswith("# Trial 0: failed\n")
    code = note.split("```")[1]
    assert "".join(code.split()) == "".join(reason.split())
    assert max(map(len, code.splitlines())) <= 90
    assert "not tried again" in note


@pytest.mark.parametrize(("stopped", "cause"), [(True, "was stopped"), (False, "died")])
def test_an_interrupted_trial_s_note_names_its_retry(stopped: bool, cause: str) -> None:
    config = tiny_config()
    params = dict(config.space().initial_configurations[0])
    first, retry = attempts(
        {"original_number": 0, "stopped": stopped, "params": params, "epochs": 3, "accuracy": 0.5},
        {"original_number": 0, "state": RUNNING, "resumed_after_epoch": 2},
    )
    note = bare(failed_note(first, [first, retry], config))
    assert note.startswith("# Trial 0: interrupted\n")
    assert f"Its process {cause}" in note
    assert "Interrupted, resumes as [trial 1](?numbers=1) after epoch 2." in note
    assert "It reached epoch 3, and 50.0% at best." in note
    assert "| conv1 | 4 @ 3x3, pooled |" in note
    assert "starts anew as" in failed_note(
        first, [first, replace(retry, state=PRUNED, resumed_after_epoch=None)], config
    )
    # Before anything retries it, and of a trial whose values were not all suggested.
    note = failed_note(replace(first, params={}), [first], config)
    assert "as [trial 1](?numbers=1) from its last checkpoint" in note
    assert "Layers" not in note
