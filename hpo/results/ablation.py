"""An ablation's result: one configuration after another, and what each scored."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from hpo.results.metrics import Figure

if TYPE_CHECKING:
    pass

RESULT, PICTURE = "ablation.json", "ablation.png"


class Step(BaseModel):
    """One configuration on the way, and what it scored.

    Attributes:
        change: what is other than in the step before; ``start`` for the first.
        parameters: the configuration's searched values, by name.
        seeds: of its fits.
        pairs: seen by each fit.
        minutes: that each took, the mean.
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
    figures: list[Figure]
