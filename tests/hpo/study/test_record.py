from collections.abc import Sequence

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpo.study.errors import StudyError
from hpo.study.record import (
    BASELINE,
    StudyRecord,
    best_trials,
    candidates,
    record_baseline,
    record_study,
    trial_numbered,
)
from hpo.study.trials import TrialRecord, record_failure
from model.baselines import BASELINES


def test_what_is_written_is_read_under_the_keys_of_earlier_versions() -> None:
    study = optuna.create_study()
    empty = StudyRecord.of(study)
    assert empty.config is empty.data is empty.baseline is None
    assert (empty.description, empty.versions, empty.enqueued, empty.beside) == ("", {}, (), {})
    values = {
        "config": {"search.seed": 3},
        "beside": {"search.trials": 9},
        "description": "A study",
        "versions": {"torch": "2"},
        "data": {"name": "tiny", "digest": "abc"},
        "enqueued": [{"study": "other", "first": 1, "values": [{"fc.units": 8}]}],
    }
    record_study(study, **values)
    record_baseline(study, 0.3)
    assert StudyRecord.of(study) == StudyRecord(**values, baseline=0.3)
    keys = {"config": "definition", "beside": "beside_definition", "enqueued": "taken_over"}
    known = {keys.get(name, name): value for name, value in values.items()}
    assert study.user_attrs == known | {"pixel 1-NN": 0.3}


def test_the_study_s_own_baseline_is_a_row_of_the_table() -> None:
    assert BASELINE in BASELINES


def test_the_best_configurations_are_different_ones(study: optuna.Study) -> None:
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    for value, x in ((0.4, 0.1), (0.9, 0.5), (0.8, 0.5)):
        study.add_trial(create_trial(value=value, params={"x": x}, distributions=space))
    assert [trial.number for trial in best_trials(study)] == [1, 0]
    assert trial_numbered(study, 2).params == {"x": 0.5}


def of_rung(
    number: int, values: Sequence[float], *, of: int | None = None, **attributes: object
) -> FrozenTrial:
    """Return a pruned trial that reported these values, one an epoch."""
    made = create_trial(
        state=TrialState.PRUNED,
        params={"x": number / 10},
        distributions={"x": optuna.distributions.FloatDistribution(0, 1)},
        intermediate_values=dict(enumerate(values, 1)),
        user_attrs={**attributes, **({} if of is None else {"retry_of": of})},
    )
    made.number = number
    return made


def test_those_that_were_paused_may_be_chosen_after_the_complete_ones() -> None:
    trials = [
        of_rung(0, [0.9], paused=True),
        of_rung(1, [0.3, 0.4, 0.5], paused=True),
        of_rung(2, [0.3, 0.6, 0.2], paused=True),
        of_rung(3, [0.8], paused=True),
        of_rung(4, [0.8, 0.1], of=3, collapsed=True),
        of_rung(5, [0.7], paused=True),
        of_rung(6, [0.7, 0.7, 0.7], of=5, paused=True),
        of_rung(7, [0.99]),  # stopped for good
        create_trial(value=0.2, params={}, distributions={}),
    ]
    trials[-1].number = 8
    assert [one.number for one in candidates(map(TrialRecord.of, trials))] == [8, 6, 2, 1, 0]
    # Nothing of it changes where no pruner promotes.
    assert [one.number for one in candidates(map(TrialRecord.of, trials[7:]))] == [8]


def test_a_study_without_such_a_trial_is_one_message(study: optuna.Study) -> None:
    with pytest.raises(StudyError, match="has no trials yet; run it first"):
        best_trials(study)
    trial = study.ask()
    record_failure(study._storage, trial._trial_id, "RuntimeError: no memory")
    study.tell(trial, state=TrialState.FAIL)
    with pytest.raises(StudyError, match=r"1 trials but no complete one.*no memory"):
        best_trials(study)
    with pytest.raises(StudyError, match="no trial 3"):
        trial_numbered(study, 3)
    with pytest.raises(StudyError, match="trial 0 has no configuration"):
        trial_numbered(study, 0)


def test_a_start_is_known_before_it_has_been_tried(study: optuna.Study) -> None:
    starts = [{"x": 0.25}, {"x": 0.75}]
    assert [trial_numbered(study, n, starts).params for n in (0, 1)] == starts
    with pytest.raises(StudyError, match="no trial 2; the study has 0"):
        trial_numbered(study, 2, starts)
    study.enqueue_trial({"x": 0.25})
    assert trial_numbered(study, 0, starts).params == starts[0]
    # What a trial has tried counts, whoever enqueued it.
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    study.add_trial(create_trial(value=0.4, params={"x": 0.5}, distributions=space))
    assert trial_numbered(study, 1, starts).params == {"x": 0.5}


def test_a_start_whose_number_another_trial_has_is_not_that_trial(study: optuna.Study) -> None:
    starts = [{"x": 0.25}, {"x": 0.75}]
    study.enqueue_trial({"x": 0.5})
    with pytest.raises(StudyError, match="trial 0 has no configuration yet"):
        trial_numbered(study, 0, starts)
    assert trial_numbered(study, 1, starts).params == starts[1]
    # Once that one is refused, the next is the first start.
    study._storage.set_trial_state_values(0, TrialState.RUNNING)
    record_failure(study._storage, 0, "refused: x", refused=True)
    study._storage.set_trial_state_values(0, TrialState.FAIL)
    for number, said in enumerate(("trial 0 has no configuration", "no trial 1; the study has 1")):
        with pytest.raises(StudyError, match=said):
            trial_numbered(study, number, starts)


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(direction="maximize")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data", ["tiny"]),
        ("data", {"digest": "abc"}),
        ("definition", ["x"]),
        ("definition", {"parameters.fc.units": 8}),
        ("definition", {"budget.pairs_per_epoch": "x"}),
        ("definition", {"data.dataset": ["x"]}),
        ("definition", {"start.x": {}}),
        ("versions", "2"),
        ("description", None),
        ("pixel 1-NN", "word"),
        ("pixel 1-NN", 7),
        ("taken_over", [{"study": "other"}]),
        ("taken_over", [{"study": "other", "first": 0, "values": [3]}]),
    ],
)
def test_an_attribute_of_the_wrong_shape_is_one_message(
    study: optuna.Study, name: str, value: object
) -> None:
    study.set_user_attr(name, value)
    with pytest.raises(StudyError, match=r"damaged, or was changed by hand: .* of study "):
        StudyRecord.of(study)


def test_trials_of_wrong_numbers_are_one_message(study: optuna.Study) -> None:
    for value in (0.4, 0.9):
        study.add_trial(create_trial(value=value))
    study._storage.get_all_trials(study._study_id, deepcopy=False)[1].number = 7
    with pytest.raises(StudyError, match="numbers of study"):
        best_trials(study)
    with pytest.raises(StudyError, match="numbers of study"):
        trial_numbered(study, 1)
