"""Trials that were paused at rungs."""

from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

RUNGS = (1, 3, 9)


def at_rung(
    number: int, *values: float, state: TrialState = TrialState.PRUNED, of: int | None = None
) -> FrozenTrial:
    """Return a trial that reported these values, one an epoch, and was paused then."""
    attributes: dict = {"paused": True} if state == TrialState.PRUNED else {}
    if of is not None:
        attributes["retry_of"] = of
    made = create_trial(
        state=state,
        value=max(values) if state == TrialState.COMPLETE else None,
        params={"x": number / 100},
        distributions={"x": FloatDistribution(0, 1)},
        intermediate_values=dict(enumerate(values, 1)),
        user_attrs=attributes,
    )
    made.number = number
    return made


def lost(trial: FrozenTrial, how: str) -> FrozenTrial:
    """Return the trial as one whose training diverged or collapsed after its last epoch."""
    trial.user_attrs.pop("paused", None)
    trial.user_attrs[how] = True
    return trial
