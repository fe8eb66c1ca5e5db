"""Parameters whose best values lie at a bound of their range, which may be too narrow."""

import math
from collections.abc import Sequence

from optuna.distributions import FloatDistribution, IntDistribution

from hpo.reporting.document import Table
from hpo.study.space.catalogue import catalogue
from hpo.study.trials import TrialRecord

_NEAR = 0.02
"""Fraction of a range, on its own scale, that counts as its bound."""
_FEWEST = 3
"""Integers in a range below which every value is nearly a bound."""


def at_a_bound(top: Sequence[TrialRecord]) -> Table | None:
    """Return a table of the parameters with all ``top`` trials at the same bound, None if empty.

    A bound that is the limit of what any study may search is left out: no wider range could help.
    """
    lines = []
    for name in [n for n in catalogue() if all(n in row.params for row in top)]:
        for end in ("low", "high"):
            if all(_lies_at(row, name, end) for row in top):
                searched = top[0].distributions[name]
                assert isinstance(searched, FloatDistribution | IntDistribution)
                values = [row.params[name] for row in top]
                shown = " to ".join(dict.fromkeys(f"{v:g}" for v in (min(values), max(values))))
                lines.append(
                    (
                        name,
                        f"{searched.low:g} to {searched.high:g}",
                        "lower" if end == "low" else "upper",
                        shown,
                    )
                )
    if not lines:
        return None
    return Table(
        ("parameter", "range", "bound", "values"),
        lines,
        f"Parameters for which the top {len(top)} trials all lie at the same bound of the searched "
        "range. A wider range may hold better values, or short trials favour fast starters.",
    )


def _lies_at(row: TrialRecord, name: str, end: str) -> bool:
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
