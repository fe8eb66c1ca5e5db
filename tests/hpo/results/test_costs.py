from pathlib import Path

import optuna

from hpo.results.costs import costed_trials, in_order_of_ending, recorded_space
from hpo.study.files import load
from hpo.study.record import record_study
from hpo.study.storage.location import StudyLocation
from model.training.cost import training_flops_per_pair
from tests.hpo.report_support import fake_study
from tests.hpo.support import tiny_config


def test_the_cost_of_a_trial_is_known_from_the_database_alone(tmp_path: Path) -> None:
    study = fake_study(StudyLocation("smoke", tmp_path), "CPFD", base="smoke")
    complete, pruned, failed, died = costed_trials(study)
    for trial in (complete, pruned):
        assert trial.flops_per_pair
        assert trial.flops == trial.flops_per_pair * (trial.pairs_seen or 0)
    # A failed trial is charged for the epochs that it completed, a dead one by its retry.
    assert failed.failure
    assert failed.flops_per_pair
    pairs = failed.epochs * load("smoke").budget.pairs_per_epoch
    assert failed.flops == failed.flops_per_pair * pairs > 0
    assert (died.flops, died.seconds) == (0, 0)


def test_the_operations_are_those_of_the_suggested_net() -> None:
    config = tiny_config()
    space = config.space()
    study = optuna.create_study(direction="maximize")
    record_study(study, config=config.identity())
    study.enqueue_trial(dict(space.initial_configurations[0]))
    trial = study.ask()
    net = space.suggest(trial).architecture
    study.tell(trial, 0.5)
    (known,) = costed_trials(study)
    assert known.flops_per_pair == training_flops_per_pair(net)
    # A trial that ended before its values were suggested has a net nobody knows.
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert costed_trials(study)[1].flops is None


def test_a_study_of_unknown_space_has_no_operations() -> None:
    study = optuna.create_study()
    study.tell(study.ask(), 0.5)
    (trial,) = costed_trials(study)
    assert trial.flops_per_pair is trial.flops is None
    assert trial.accuracy == 0.5


def test_trials_are_ordered_by_their_end() -> None:
    study = optuna.create_study()
    first, second = study.ask(), study.ask()
    study.ask()
    study.tell(second, 0.1)
    study.tell(first, 0.2)
    assert [trial.number for trial in in_order_of_ending(costed_trials(study))] == [1, 0]


def test_the_search_space_is_known_from_the_database_alone() -> None:
    for name in ("beyond", "smoke"):
        config = load(name)
        space = recorded_space(config.identity())
        assert space is not None
        assert space.specifications == config.space().specifications
        assert space.initial_configurations == config.space().initial_configurations
    assert recorded_space({}) is None
