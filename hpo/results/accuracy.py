"""One accuracy of ``metrics.json``, and what its interval is over."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from model.evaluation.intervals import interval

Protocol = Literal["official_runs", "n_way", "verification", "mnist"]
NET, ENSEMBLE = "net", "ensemble"
"""The fitted net, and the nets of all seeds as one; other systems are the `BASELINES`, by name."""

Share = Annotated[float, Field(ge=-1e-9, le=1 + 1e-9)]
"""A number in [0, 1], but for rounding."""
Whole = Annotated[int, Field(ge=0)]


class Accuracy(BaseModel):
    """One accuracy and the evidence behind it.

    Attributes:
        protocol: ``official_runs``: Lake's 20 runs (20-way, 400 trials); ``n_way``: random trials
            within the test alphabets, by all drawers; ``verification``: same or different, on
            balanced pairs of the test alphabets; ``mnist``: 10-way, digits, no fine-tuning.
        system: `NET`, `ENSEMBLE`, or the name of a baseline.
        title: the protocol in words.
        way: characters in a trial's support set, None for verification.
        alphabet: the only test alphabet of the trials, None for all of them.
        trials: one-shot trials, or pairs, behind each of ``values``.
        alphabets: of how many alphabets they are; None in files of earlier versions.
        characters: of how many characters their queries are; likewise.
        chance: accuracy of guessing.
        values: accuracies in [0, 1]: the net's by seed, in the order of ``Metrics.seeds``, all on
            the same trials; the single one of an ensemble or a baseline.
        mean: of the values.
        low: lower end of the 95 % interval.
        high: its upper end.
        interval: what it is over. ``alphabets``: alphabets in general, see `alphabet_interval`.
            ``trials``: other trials of these alphabets alone, see `interval`: of a single alphabet,
            of MNIST, whose ten digits are no sample of digits, and all of earlier versions.
        left_out: test alphabets left out, as they have fewer than ``way`` characters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    protocol: Protocol
    system: str
    title: str
    way: Whole | None = None
    alphabet: str | None = None
    trials: Whole
    alphabets: Whole | None = None
    characters: Whole | None = None
    chance: Share
    values: Annotated[list[Share], Field(min_length=1)]
    mean: Share
    low: Share
    high: Share
    interval: Literal["alphabets", "trials"] = "trials"
    left_out: list[str] = []

    @property
    def scope(self) -> str:
        """What the interval is over, in a few words."""
        if self.interval == "alphabets":
            return "alphabets in general"
        return self._own

    @property
    def _own(self) -> str:
        if self.protocol == "mnist":
            return "these ten digits"
        if self.alphabet is not None or self.alphabets == 1:
            return "this alphabet"
        return f"these {self.alphabets} alphabets" if self.alphabets else "these alphabets"

    @property
    def fits(self) -> str:
        """How many fits are behind it, in words."""
        number = len(self.values)
        return f"{number} {'ensemble' if self.system == ENSEMBLE else 'seed'}{'s' * (number != 1)}"

    def narrow(self) -> tuple[float, float, str]:
        """Return the interval ``(low, high)`` over other trials of the same alphabets, and those.

        It fits comparisons of nets on the same trials, and says nothing about other alphabets.
        """
        _, low, high = interval(self.values, self.trials)
        return low, high, self._own

    @classmethod
    def of(cls, values: Sequence[float], *, trials: int, **which: Any) -> Self:
        """Return the accuracy of these values, one per seed; ``which`` are its other fields.

        The interval is over trials, unless ``which`` has another one, ``low`` and ``high``.
        """
        mean, low, high = interval(values, trials)
        return cls(
            values=list(values), trials=trials, mean=mean, **{"low": low, "high": high, **which}
        )


def scopes(figures: Iterable[Accuracy]) -> str:
    """Return what the intervals of these accuracies are over, in a few words."""
    return " or ".join(dict.fromkeys(figure.scope for figure in figures))
