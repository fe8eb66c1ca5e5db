"""The paper's tables and the other systems', our rows beside the published ones."""

from collections.abc import Mapping, Sequence

from hpo.reporting.document import Table
from hpo.results import published
from hpo.results.fits import Fit, fixed_or, n_way
from hpo.results.metrics import Figure, Protocol, System
from model.hyperparameters import Recipe

BASELINES: tuple[System, ...] = ("pixel 1-NN", "modified Hausdorff")

_NOT_GIVEN = "not given"
_EVIDENCE = ("95 % interval", "trials", "seeds")
_UNKNOWN = (_NOT_GIVEN, _NOT_GIVEN, _NOT_GIVEN)


def percent(accuracy: float) -> str:
    """Return an accuracy in [0, 1] as it stands in every table."""
    return f"{100 * accuracy:.1f} %"


def between(low: float, high: float) -> str:
    """Return an interval in [0, 1] as it stands in every table."""
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def evidence(figure: Figure) -> tuple[str, str, str]:
    """Return what stands beside a figure: its interval, its trials, its seeds."""
    seeds = str(len(figure.values)) if figure.system == "net" else "none"
    return between(figure.low, figure.high), f"{figure.trials:,}", seeds


def in_words(figure: Figure) -> str:
    """Return a figure with all that has to stand beside it, for a sentence."""
    interval, trials, _ = evidence(figure)
    seeds = len(figure.values)
    return (
        f"{percent(figure.mean)} (95 % interval {interval}; {trials} trials, "
        f"{seeds} seed{'s' * (seeds != 1)})"
    )


def verification(fits: Sequence[Fit], config: Mapping[str, object], known: bool = True) -> Table:
    """Return the paper's first table, with the published rows where they are ``known`` to fit."""
    rows: list[tuple[str, ...]] = []
    for pairs, plain, distorted in published.VERIFICATION if known else ():
        for how, accuracy in (("none", plain), ("affine, 8 copies", distorted)):
            rows.append((published.PAPER, pairs, how, f"{accuracy:.2f} %", *_UNKNOWN))
    for fit in fits:
        if (figure := fit.metrics.find("verification")) is not None:
            seen = [seed.pairs_seen for seed in fit.metrics.seeds]
            strength = fixed_or(fit.metrics, config, "recipe.distortion", Recipe().distortion)
            how = f"affine, strength {strength:g}, anew each time" if strength else "none"
            drawn = f"{sum(seen) / len(seen):,.0f} drawn" if seen else "unknown"
            rows.append((fit.label, drawn, how, percent(figure.mean), *evidence(figure)))
    rows += _baselines(fits, "verification", ("none", "none"))
    return Table(
        ("system", "training pairs", "distortions", "accuracy", "95 % interval", "pairs", "seeds"),
        rows,
        "Verification: are two drawings of the test alphabets the same character? Ours: balanced "
        "pairs, the threshold chosen on validation pairs.",
    )


def error_rates(fits: Sequence[Fit]) -> Table:
    """Return what the similarity of 0.5 gets wrong, by seed."""
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


def one_shot(fits: Sequence[Fit], known: bool = True) -> Table:
    """Return the paper's second table, likewise."""
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


def mnist(fits: Sequence[Fit], known: bool = True) -> Table:
    """Return the paper's third table, likewise."""
    rows: list[tuple[str, ...]] = [
        (f"{name}, published", f"{acc} %", *_UNKNOWN)
        for name, acc in (published.MNIST if known else ())
    ]
    rows += _ours(fits, "mnist")
    rows += _baselines(fits, "mnist")
    return Table(
        ("system", "MNIST, 10-way", *_EVIDENCE),
        rows,
        "Digits, never trained on, 10-way one-shot accuracy."
        + known * f" Published rows as in {published.PAPER}.",
    )


def errors(fits: Sequence[Fit]) -> list[Table]:
    """Return other systems' errors, of the full background set and of the small ones."""
    tables = []
    for name, known, small in (
        ("all 30 background alphabets", published.ERRORS, False),
        ("five background alphabets alone", published.ERRORS_SMALL, True),
    ):
        ours = [fit for fit in fits if fit.small is small]
        rows: list[tuple[float, tuple[str, ...]]] = [
            (error, (system, f"{error} %", *_UNKNOWN)) for system, error in known
        ]
        for fit in ours:
            if (figure := fit.metrics.find("official_runs")) is not None:
                _, trials, seeds = evidence(figure)
                interval = between(1 - figure.high, 1 - figure.low)
                wrong = 1 - figure.mean
                row = (fit.label, percent(wrong), interval, trials, seeds)
                rows.append((100 * wrong, row))
        tables.append(
            Table(
                ("system", "error", *_EVIDENCE),
                [row for _, row in sorted(rows, key=lambda entry: entry[0])],
                f"Errors on the official runs, learnt from {name}, the least first.",
            )
        )
    return tables


def within_alphabets(fits: Sequence[Fit]) -> Table:
    """Return the N-way accuracies over all test alphabets and drawers, beside the README's."""
    rows: list[tuple[str, ...]] = []
    for fit in fits:
        rows += [_way_row(fit.label, figure) for figure in n_way(fit.metrics)]
    if fits:
        for system in BASELINES:
            rows += [_way_row(system, figure) for figure in n_way(fits[0].metrics, system)]
    known = not fits or published.comparable(fits[0].metrics.data)
    for way, accuracy in published.N_WAY.items() if known else ():
        name = "a README implementation, published"
        rows.append((name, f"{way} (really {way + 1})", f"{accuracy} %", *_UNKNOWN))
    return Table(
        ("system", "N", "accuracy", *_EVIDENCE),
        rows,
        "N-way one-shot accuracy within alphabets, all test alphabets and all drawers: other "
        "trials than the official runs.",
    )


def _way_row(name: str, figure: Figure) -> tuple[str, ...]:
    return (name, str(figure.way), percent(figure.mean), *evidence(figure))


def _ours(fits: Sequence[Fit], protocol: Protocol) -> list[tuple[str, ...]]:
    found = ((fit.label, fit.metrics.find(protocol)) for fit in fits)
    return [(label, percent(f.mean), *evidence(f)) for label, f in found if f is not None]


def _baselines(
    fits: Sequence[Fit], protocol: Protocol, between_cells: tuple[str, ...] = ()
) -> list[tuple[str, ...]]:
    if not fits:
        return []
    found = ((system, fits[0].metrics.find(protocol, system)) for system in BASELINES)
    return [
        (f"{system}, measured here", *between_cells, percent(f.mean), *evidence(f))
        for system, f in found
        if f is not None
    ]
