from dataclasses import replace

import optuna
import pytest

from hpo.search.artifacts.notes import study_note, trial_note, verdict
from hpo.search.workers.worker import Job
from hpo.terminal.commands import study_command
from model.net.siamese import parameter_count
from model.training.cost import training_flops_per_pair
from model.training.trainer import EpochResult
from tests.hpo.support import epoch_result as result
from tests.hpo.support import tiny_config


def test_a_study_s_note_has_its_settings_commands_and_search_space(job: Job) -> None:
    note = study_note(job.run, {"name": "tiny", "digest": "abcdef" * 9})
    assert "| data | tiny (abcdefabcdef), background full, 16 px, drawers: all |" in note
    assert "40 trials, 4-way" in note
    assert "chance is 25.0%" in note
    assert "1 initial configurations, seed 0" in note
    assert f"{study_command('run', job.run.location, anywhere=True)} --trials 4" in note
    for name in job.run.config.space().searched:
        assert f"| `{name}` | " in note


def test_names_and_descriptions_are_no_markup_in_a_note(job: Job) -> None:
    config = job.run.config.model_copy(update={"description": "<img src=x> # $a$"})
    note = study_note(replace(job.run, config=config), {"name": "a|b", "digest": "abcdef" * 9})
    assert r"\<img src=x\> \# \$a\$" in note
    assert r"| data | a\|b (abc" in note


def test_the_layers_add_up_to_the_net() -> None:
    config = tiny_config()
    hyperparameters = config.space().hyperparameters(config.space().initial_configurations[0])
    note = trial_note(7, hyperparameters, [result(1, 0.5), result(2, 0.6)], config, pruned=False)
    kinds = ("| conv", "| fc", "| output")
    rows = [line.split(" | ") for line in note.splitlines() if line.startswith(kinds)]
    total = sum(int(row[3].replace(",", "")) for row in rows)
    assert total == parameter_count(hyperparameters.architecture)
    flops = training_flops_per_pair(hyperparameters.architecture)
    assert f"Training: {flops / 1e6:.3g} MFLOP per pair" in note
    assert note.startswith("# Trial 7: 60.0%\n")


@pytest.mark.parametrize(
    ("history", "pruned", "words"),
    [
        ([result(1, 0.5), result(2, 0.25, diverged=True)], False, "Diverged"),
        (
            [result(1, 0.5), replace(result(2, 0.25), collapsed=True)],
            False,
            "**Collapsed**: back at chance in epoch 2. It counts with its best epoch, 1.",
        ),
        ([result(1, 0.5)], True, "Pruned"),
        ([result(1, 0.25), result(2, 0.24)], False, "No better than chance"),
        ([result(1, 0.5), result(2, 0.6)], False, "Still improving"),
        ([result(1, 0.7), result(2, 0.6)], False, "Best at epoch 1"),
    ],
)
def test_verdicts(history: list[EpochResult], pruned: bool, words: str) -> None:
    other = optuna.trial.create_trial(value=0.65)
    said = verdict(history, tiny_config(), pruned=pruned, others=[other])
    assert words in said
    best = max(one.one_shot_accuracy for one in history)
    assert (f"Rank {1 + (best < 0.65)} of 2" in said) is not pruned
