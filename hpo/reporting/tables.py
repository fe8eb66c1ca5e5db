"""Tables of accuracies: our fits, the baselines and published results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hpo.reporting.document import Strong, Table
from hpo.results import published
from hpo.results.accuracy import ENSEMBLE, NET, Accuracy, Protocol, scopes
from hpo.results.fits import SavedFit, fixed_or, n_way, with_ensembles
from model.baselines import BASELINES
from model.hyperparameters import Recipe

_EVIDENCE = ("95 % interval", "evidence")


@dataclass(frozen=True)
class _Row:
    """A row: its place, its first cells, and the accuracy behind them unless it is published.

    The highest ``rank`` comes first.
    """

    rank: float
    cells: tuple[str, ...]
    figure: Accuracy | None = None


def percent(accuracy: float) -> str:
    """Return an accuracy in [0, 1] as every table shows it."""
    return f"{100 * accuracy:.1f} %"


def between(low: float, high: float) -> str:
    """Return an interval in [0, 1] as every table shows it."""
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def evidence_in_words(figure: Accuracy) -> str:
    """Return what an accuracy's interval is over, and its trials and seeds, for a sentence."""
    over = figure.scope
    if figure.interval == "alphabets":
        low, high, own = figure.narrow()
        over += f", {between(low, high)} over {own}"
    characters = f" of {figure.characters} characters" if figure.characters else ""
    return f"{over}; {figure.trials:,} trials{characters}, {figure.fits}"


def in_words(figure: Accuracy) -> str:
    """Return an accuracy with its evidence, for a sentence."""
    interval = between(figure.low, figure.high)
    said = f"95 % interval {interval} over {evidence_in_words(figure)}"
    return f"{percent(figure.mean)} ({said})"


def verification(
    fits: Sequence[SavedFit], config: Mapping[str, object], known: bool = True
) -> Table:
    """Return the paper's table 1, with ours; its published rows only if ``known``."""
    rows = []
    for pairs, plain, distorted in published.VERIFICATION if known else ():
        for how, accuracy in (("undistorted", plain), ("distorted", distorted)):
            system = f"Koch's net, {pairs} pairs, {how}"
            rows.append(_Row(accuracy / 100, (system, f"{accuracy:.2f} %")))
    for fit in with_ensembles(fits):
        if (figure := fit.find("verification")) is not None:
            seen = [seed.pairs_seen for seed in fit.metrics.seeds]
            strength = fixed_or(fit.metrics, config, "recipe.distortion", Recipe().distortion)
            how = f"distorted with strength {strength:g}" if strength else "undistorted"
            drawn = f", {sum(seen) / len(seen):,.0f} pairs" if seen else ""
            drawn += " each" * (fit.system == ENSEMBLE)
            rows.append(_ours(f"{fit.label}{drawn}, {how}", figure))
    copies = ", Koch's distorted in 8 copies" if known else ""
    return _table(
        ("system", "accuracy"),
        [*rows, *_baselines(fits, "verification")],
        "Verification on the test alphabets: same character or different? With the pairs that "
        f"each net was trained on; ours are drawn and distorted anew{copies}. "
        "Ours: balanced test pairs, with the threshold chosen on validation pairs.",
        known,
    )


def error_rates(fits: Sequence[SavedFit]) -> Table:
    """Return the errors at a similarity of 0.5, one row per seed and ensemble."""
    rows = []
    for fit in fits:
        for seed in fit.metrics.seeds:
            if seed.false_accept is not None and seed.false_reject is not None:
                rates = percent(seed.false_accept), percent(seed.false_reject)
                rows.append((fit.label, str(seed.seed), *rates))
        if (joined := fit.metrics.ensemble) is not None:
            rates = percent(joined.false_accept), percent(joined.false_reject)
            rows.append((fit.label, joined.title, *rates))
    return Table(
        ("system", "seed", "false accepts", "false rejects"),
        rows,
        "At a similarity of 0.5, the default of `model.predict --threshold`, on the validation "
        "pairs that it is calibrated on: different pairs accepted, same pairs rejected. The most "
        "similar of many classes is accepted more often than one pair is.",
    )


def one_shot(fits: Sequence[SavedFit], known: bool = True) -> Table:
    """Return the paper's table 2, likewise."""
    return _compared(
        fits,
        "official_runs",
        published.ONE_SHOT if known else (),
        "official runs",
        "20-way one-shot accuracy within alphabets, on Lake's 20 official runs.",
    )


def mnist(fits: Sequence[SavedFit], known: bool = True) -> Table:
    """Return the paper's table 3, likewise."""
    return _compared(
        fits,
        "mnist",
        published.MNIST if known else (),
        "MNIST, 10-way",
        "10-way one-shot accuracy on MNIST's digits, without any training on them.",
    )


def errors(fits: Sequence[SavedFit]) -> list[Table]:
    """Return error rates of other systems and ours, for the full and the small background sets."""
    tables = []
    for name, known, small, said in (
        ("all 30 background alphabets", published.ERRORS, False, ""),
        (
            "only five background alphabets",
            published.ERRORS_SMALL,
            True,
            " Whether those of others are of small1, small2 or both, is not known to us.",
        ),
    ):
        rows = [_Row(-error, (system, f"{error} %")) for system, error in known]
        for fit in [fit for fit in with_ensembles(fits) if fit.small is small]:
            if (figure := fit.find("official_runs")) is not None:
                ends = {"mean": 1 - figure.mean, "low": 1 - figure.high, "high": 1 - figure.low}
                wrong = figure.model_copy(update=ends)
                rows.append(_Row(-100 * wrong.mean, _ours(fit.label, wrong).cells, wrong))
        tables.append(
            _table(
                ("system", "error"),
                rows,
                f"Errors on the official runs after training on {name}, lowest first.{said}",
            )
        )
    return tables


def within_alphabets(fits: Sequence[SavedFit]) -> Table:
    """Return the N-way accuracies over all test alphabets and drawers."""
    rows = []
    for fit in with_ensembles(fits):
        for one in n_way(fit.metrics, fit.system):
            rows.append(_ours(fit.label, one, (str(one.way),)))
    for name, baseline in BASELINES.items() if fits else ():
        for one in n_way(fits[0].metrics, name):
            rows.append(_Row(one.mean, (baseline.title, str(one.way), percent(one.mean)), one))
    # Accuracies are less than 1 apart, so that N comes first.
    rows = [_Row(row.rank - int(row.cells[1]), row.cells, row.figure) for row in rows]
    known = not fits or published.comparable(fits[0].metrics.data)
    for way, accuracy in published.N_WAY.items() if known else ():
        n = f"{way} (really {way + 1})"
        rows.append(_Row(accuracy / 100 - way, (published.N_WAY_SYSTEM, n, f"{accuracy} %")))
    return _table(
        ("system", "N", "accuracy"),
        rows,
        "N-way one-shot accuracy within alphabets, on random trials of all test alphabets and "
        "drawers, not on the official runs.",
    )


def _compared(
    fits: Sequence[SavedFit],
    protocol: Protocol,
    known: Sequence[tuple[str, float]],
    heading: str,
    caption: str,
) -> Table:
    rows = [_Row(accuracy / 100, (name, f"{accuracy} %")) for name, accuracy in known]
    for fit in with_ensembles(fits):
        if (figure := fit.find(protocol)) is not None:
            rows.append(_ours(fit.label, figure))
    rows += _baselines(fits, protocol)
    return _table(("system", heading), rows, caption, bool(known))


def _ours(label: str, figure: Accuracy, between_cells: tuple[str, ...] = ()) -> _Row:
    cells = (Strong(label), *between_cells, Strong(percent(figure.mean)))
    return _Row(figure.mean, cells, figure)


def _baselines(fits: Sequence[SavedFit], protocol: Protocol) -> Iterator[_Row]:
    for name, baseline in BASELINES.items() if fits else ():
        if (figure := fits[0].metrics.find(protocol, name)) is not None:
            yield _Row(figure.mean, (baseline.title, percent(figure.mean)), figure)


def _table(
    headings: tuple[str, ...], rows: Sequence[_Row], caption: str, from_paper: bool = False
) -> Table:
    """Return the table with the evidence of each row, if any has some that is not published.

    What all intervals are over is said once.
    """
    caption += f" Published rows are from {published.PAPER}." if from_paper else ""
    ordered = sorted(rows, key=lambda row: -row.rank)
    figures = [row.figure for row in rows if row.figure is not None]
    if not figures:
        return Table(headings, [row.cells for row in ordered], caption)
    one = len({figure.scope for figure in figures}) == 1
    lines = []
    for row in ordered:
        cells = ("", "published")
        if (figure := row.figure) is not None:
            said = f"{figure.trials:,} trials, "
            said += figure.fits if figure.system in (NET, ENSEMBLE) else "measured here"
            said += "" if one else f", over {figure.scope}"
            cells = (between(figure.low, figure.high), said)
        lines.append((*row.cells, *cells))
    caption += f" Intervals over {scopes(figures)}."
    return Table((*headings, *_EVIDENCE), lines, caption)
