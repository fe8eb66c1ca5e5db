"""Tables of accuracies: our fits, the baselines and published results."""

from collections.abc import Mapping, Sequence

from hpo.reporting.document import Table
from hpo.results import published
from hpo.results.fits import SavedFit, fixed_or, n_way
from hpo.results.metrics import NET, Accuracy, Protocol
from model.baselines import BASELINES
from model.hyperparameters import Recipe

_NOT_GIVEN = "not given"
_EVIDENCE = ("95 % interval", "over", "trials", "seeds")
_UNKNOWN = (_NOT_GIVEN,) * len(_EVIDENCE)


def percent(accuracy: float) -> str:
    """Return an accuracy in [0, 1] as every table shows it."""
    return f"{100 * accuracy:.1f} %"


def between(low: float, high: float) -> str:
    """Return an interval in [0, 1] as every table shows it."""
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def evidence(figure: Accuracy) -> tuple[str, str, str, str]:
    """Return the cells beside an accuracy: its interval, what that is over, trials and seeds."""
    seeds = str(len(figure.values)) if figure.system == NET else "none"
    return between(figure.low, figure.high), figure.scope, f"{figure.trials:,}", seeds


def in_words(figure: Accuracy) -> str:
    """Return an accuracy with its evidence, for a sentence."""
    interval, over, trials, _ = evidence(figure)
    if figure.interval == "alphabets":
        low, high, own = figure.narrow()
        over += f", {between(low, high)} over {own}"
    characters = f" of {figure.characters} characters" if figure.characters else ""
    seeds = len(figure.values)
    return (
        f"{percent(figure.mean)} (95 % interval {interval} over {over}; {trials} trials"
        f"{characters}, {seeds} seed{'s' * (seeds != 1)})"
    )


def verification(
    fits: Sequence[SavedFit], config: Mapping[str, object], known: bool = True
) -> Table:
    """Return the paper's table 1, with ours; its published rows only if ``known``."""
    rows: list[tuple[str, ...]] = []
    for pairs, plain, distorted in published.VERIFICATION if known else ():
        for how, accuracy in (("none", plain), ("affine, 8 copies", distorted)):
            rows.append((published.PAPER, pairs, how, f"{accuracy:.2f} %", *_UNKNOWN))
    for fit in fits:
        if (figure := fit.metrics.find("verification")) is not None:
            seen = [seed.pairs_seen for seed in fit.metrics.seeds]
            strength = fixed_or(fit.metrics, config, "recipe.distortion", Recipe().distortion)
            how = f"affine, strength {strength:g}, a new one for each pair" if strength else "none"
            drawn = f"{sum(seen) / len(seen):,.0f} drawn" if seen else "unknown"
            rows.append((fit.label, drawn, how, percent(figure.mean), *evidence(figure)))
    rows += _baselines(fits, "verification", ("none", "none"))
    return Table(
        (
            *("system", "training pairs", "distortions", "accuracy"),
            *("95 % interval", "over", "pairs", "seeds"),
        ),
        rows,
        "Verification on the test alphabets: same character or different? Ours: balanced pairs, "
        "with the threshold chosen on validation pairs.",
    )


def error_rates(fits: Sequence[SavedFit]) -> Table:
    """Return the errors at a similarity of 0.5, one row per seed."""
    rows: list[tuple[str, ...]] = []
    for fit in fits:
        for seed in fit.metrics.seeds:
            if seed.false_accept is not None and seed.false_reject is not None:
                rates = percent(seed.false_accept), percent(seed.false_reject)
                rows.append((fit.label, str(seed.seed), *rates))
    return Table(
        ("system", "seed", "false accepts", "false rejects"),
        rows,
        "At a similarity of 0.5, the default of `model.predict --threshold`, on the validation "
        "pairs that it is calibrated on: different pairs accepted, same pairs rejected. The most "
        "similar of many classes is accepted more often than one pair is.",
    )


def one_shot(fits: Sequence[SavedFit], known: bool = True) -> Table:
    """Return the paper's table 2, likewise."""
    rows: list[tuple[str, ...]] = [
        (name, f"{accuracy} %", *_UNKNOWN)
        for name, accuracy in (published.ONE_SHOT if known else ())
    ]
    rows += _ours(fits, "official_runs")
    rows += _baselines(fits, "official_runs")
    return Table(
        ("system", "official runs", *_EVIDENCE),
        rows,
        "20-way one-shot accuracy within alphabets, on Lake's 20 official runs."
        + known * f" Published rows as in {published.PAPER}.",
    )


def mnist(fits: Sequence[SavedFit], known: bool = True) -> Table:
    """Return the paper's table 3, likewise."""
    rows: list[tuple[str, ...]] = [
        (f"{name}, published", f"{acc} %", *_UNKNOWN)
        for name, acc in (published.MNIST if known else ())
    ]
    rows += _ours(fits, "mnist")
    rows += _baselines(fits, "mnist")
    return Table(
        ("system", "MNIST, 10-way", *_EVIDENCE),
        rows,
        "10-way one-shot accuracy on MNIST's digits, without any training on them."
        + known * f" Published rows as in {published.PAPER}.",
    )


def errors(fits: Sequence[SavedFit]) -> list[Table]:
    """Return error rates of other systems and ours, for the full and the small background sets."""
    tables = []
    for name, known, small in (
        ("all 30 background alphabets", published.ERRORS, False),
        ("only five background alphabets", published.ERRORS_SMALL, True),
    ):
        ours = [fit for fit in fits if fit.small is small]
        rows: list[tuple[float, tuple[str, ...]]] = [
            (error, (system, f"{error} %", *_UNKNOWN)) for system, error in known
        ]
        for fit in ours:
            if (figure := fit.metrics.find("official_runs")) is not None:
                _, *rest = evidence(figure)
                interval = between(1 - figure.high, 1 - figure.low)
                wrong = 1 - figure.mean
                row = (fit.label, percent(wrong), interval, *rest)
                rows.append((100 * wrong, row))
        tables.append(
            Table(
                ("system", "error", *_EVIDENCE),
                [row for _, row in sorted(rows, key=lambda entry: entry[0])],
                f"Errors on the official runs after training on {name}, lowest first.",
            )
        )
    return tables


def within_alphabets(fits: Sequence[SavedFit]) -> Table:
    """Return the N-way accuracies over all test alphabets and drawers."""
    rows: list[tuple[str, ...]] = []
    for fit in fits:
        rows += [_way_row(fit.label, figure) for figure in n_way(fit.metrics)]
    if fits:
        for name, baseline in BASELINES.items():
            rows += [_way_row(baseline.title, one) for one in n_way(fits[0].metrics, name)]
    known = not fits or published.comparable(fits[0].metrics.data)
    for way, accuracy in published.N_WAY.items() if known else ():
        name = "a README implementation, published"
        rows.append((name, f"{way} (actually {way + 1})", f"{accuracy} %", *_UNKNOWN))
    return Table(
        ("system", "N", "accuracy", *_EVIDENCE),
        rows,
        "N-way one-shot accuracy within alphabets, on random trials of all test alphabets and "
        "drawers, not on the official runs.",
    )


def _way_row(name: str, figure: Accuracy) -> tuple[str, ...]:
    return (name, str(figure.way), percent(figure.mean), *evidence(figure))


def _ours(fits: Sequence[SavedFit], protocol: Protocol) -> list[tuple[str, ...]]:
    found = ((fit.label, fit.metrics.find(protocol)) for fit in fits)
    return [(label, percent(f.mean), *evidence(f)) for label, f in found if f is not None]


def _baselines(
    fits: Sequence[SavedFit], protocol: Protocol, between_cells: tuple[str, ...] = ()
) -> list[tuple[str, ...]]:
    if not fits:
        return []
    found = ((b.title, fits[0].metrics.find(protocol, name)) for name, b in BASELINES.items())
    return [
        (f"{title}, measured here", *between_cells, percent(f.mean), *evidence(f))
        for title, f in found
        if f is not None
    ]
