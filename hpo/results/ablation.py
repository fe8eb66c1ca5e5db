"""The result of an ablation: configurations and their accuracies."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from hpo.results.metrics import Accuracy

START = "start"
RESULT, PICTURE = "ablation.json", "ablation.png"


class Step(BaseModel):
    """One configuration and its accuracies.

    Attributes:
        change: from the step before; ``start`` for the first. If ``undone``, what the last of those
            steps lacks here, all else being there.
        undone: whether a change was undone, rather than made.
        parameters: the configuration's searched values, by name.
        seeds: one per fit.
        pairs: seen by each fit.
        minutes: the mean over its fits.
        validation: each fit's accuracy on fresh one-shot validation trials.
        figures: on the test alphabets: official runs, and 20-way trials by all drawers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    change: str
    undone: bool = False
    parameters: dict[str, Any]
    seeds: list[int]
    pairs: list[int]
    minutes: float
    validation: list[float]
    figures: list[Accuracy]

    @property
    def label(self) -> str:
        """The change as tables and plots show it."""
        if self.undone:
            return f"all but {self.change}"
        return self.change if self.change == START else f"+ {self.change}"


class Ablation(BaseModel):
    """The content of ``ablation.json``.

    Attributes:
        study: its name.
        trial: the trial whose configuration comes last.
        versions: of the packages that the result depends on.
        steps: in the order of the table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    trial: int
    versions: dict[str, str]
    steps: list[Step]
