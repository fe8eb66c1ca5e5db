import pytest
from pydantic import ValidationError

from hpo.results.ablation import Step
from hpo.results.metrics import NET, Accuracy

ACCURACY = Accuracy.of(
    [0.9], trials=400, protocol="n_way", system=NET, title="20-way", way=20, chance=0.05
)
STEP = Step(
    change="start",
    parameters={"fc.units": 8},
    seeds=[0],
    pairs=[128],
    minutes=0.1,
    validation=[0.4],
    figures=[ACCURACY],
)


def test_a_step_is_read_as_it_was_written() -> None:
    assert Step.model_validate_json(STEP.model_dump_json()) == STEP
    assert set(STEP.model_dump()) >= {"change", "figures"}


def test_a_step_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Step.model_validate(STEP.model_dump() | {"extra": 1})
