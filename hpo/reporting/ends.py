"""Searched parameters whose best values stand at an end of their range: it may be too narrow."""

import math
from collections.abc import Sequence

from optuna.distributions import FloatDistribution, IntDistribution

from hpo.reporting.document import Table
from hpo.results.trials import TrialRecord
from hpo.study.space.catalogue import catalogue

_NEAR = 0.02
"""Of a range, on its own scale, that counts as its end."""
_FEWEST = 3
"""Whole numbers in a range; of two, each is an end."""


def at_an_end(top: Sequence[TrialRecord]) -> Table | None:
    """Return the parameters of which all ``top`` trials stand at the same end; None if none do.

    An end beyond which no study may search is left out, for no wider range could help.
    """
    lines = []
    for name in [n for n in catalogue() if all(n in row.params for row in top)]:
        for end in ("low", "high"):
            if all(_stands_at(row, name, end) for row in top):
                searched = top[0].distributions[name]
                assert isinstance(searched, FloatDistribution | IntDistribution)
                values = [row.params[name] for row in top]
                shown = " to ".join(dict.fromkeys(f"{v:g}" for v in (min(values), max(values))))
                lines.append((name, f"{searched.low:g} to {searched.high:g}", end + "est", shown))
    if not lines:
        return None
    return Table(
        ("parameter", "searched", "at its", "values"),
        lines,
        f"Where the best {len(top)} all stand at an end of what is searched. A wider range may "
        "hold better values, or the study's short trials favour what learns fast.",
    )


def _stands_at(row: TrialRecord, name: str, end: str) -> bool:
    searched = row.distributions[name]
    if not isinstance(searched, FloatDistribution | IntDistribution):
        return False
    low, high, value = searched.low, searched.high, row.params[name]
    if isinstance(searched, IntDistribution) and (high - low) // searched.step + 1 < _FEWEST:
        return False
    if low == high or getattr(searched, end) == getattr(catalogue()[name], end):
        return False
    if searched.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    share = (value - low) / (high - low)
    return (share if end == "low" else 1 - share) <= _NEAR
