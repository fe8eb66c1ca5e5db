"""The result of an ablation: a sequence of configurations and their accuracies."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from hpo.results.metrics import Accuracy

RESULT, PICTURE = "ablation.json", "ablation.png"


class Step(BaseModel):
    """One configuration and its accuracies.

    Attributes:
        change: from the step before; ``start`` for the first.
        parameters: the configuration's searched values, by name.
        seeds: one per fit.
        pairs: seen by each fit.
        minutes: the mean over its fits.
        validation: each fit's accuracy on fresh one-shot validation trials.
        figures: on the test alphabets: official runs, and 20-way trials by all drawers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    change: str
    parameters: dict[str, Any]
    seeds: list[int]
    pairs: list[int]
    minutes: float
    validation: list[float]
    figures: list[Accuracy]
