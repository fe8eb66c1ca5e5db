from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpo.reporting.bounds import at_a_bound
from hpo.study.trials import TrialRecord

SPACE: dict[str, BaseDistribution] = {
    "conv1.filters": IntDistribution(16, 64, step=16),
    "fc.l2": FloatDistribution(1e-6, 1e-1, log=True),
    "conv2.filters": IntDistribution(16, 128, step=16),
    "conv2.l2": FloatDistribution(1e-6, 1e-1, log=True),
    "conv3.kernel_size": IntDistribution(2, 3),
    "fc.momentum": FloatDistribution(0, 0.99),
}
VALUES: dict[str, list[Any]] = {
    "conv1.filters": [64] * 5,
    "fc.l2": [1.1e-6] * 5,
    "conv2.filters": [128, 128, 112, 128, 128],  # not all
    "conv2.l2": [1e-2] * 5,  # far from 1e-1 on its scale
    "conv3.kernel_size": [3] * 5,  # of two values each is a bound
    "fc.momentum": [0.99] * 5,  # beyond which no study may search
}


def top(values: dict[str, list[Any]]) -> list[TrialRecord]:
    trials = [
        create_trial(
            value=1.0,
            params={name: column[i] for name, column in values.items()},
            distributions=SPACE,
        )
        for i in range(5)
    ]
    return [TrialRecord.of(trial) for trial in trials]


def test_parameters_at_a_bound_are_listed() -> None:
    table = at_a_bound(top(VALUES))
    assert table is not None
    assert list(table.rows) == [
        ("conv1.filters", "16 to 64", "upper", "64"),
        ("fc.l2", "1e-06 to 0.1", "lower", "1.1e-06"),
    ]
    assert "top 5" in table.caption


def test_values_inside_the_ranges_need_no_table() -> None:
    inside = VALUES | {"conv1.filters": [32] * 5, "fc.l2": [1e-3] * 5}
    assert at_a_bound(top(inside)) is None
    assert TrialState.COMPLETE in {trial.state for trial in top(inside)}
    assert isinstance(top(inside)[0].started, datetime)
