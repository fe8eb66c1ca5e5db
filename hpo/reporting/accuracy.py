"""The sections on the final fits: accuracies, the paper's tables, the gallery."""

from collections.abc import Mapping, Sequence

import numpy as np

from hpo.reporting import tables
from hpo.reporting.document import Block, Heading, Text
from hpo.reporting.missing import missing_fits
from hpo.reporting.pictures import Pictures
from hpo.results import published
from hpo.results.fits import Fit, n_way, of_alphabets
from hpo.results.metrics import GALLERY, GalleryTrial, Metrics, Protocol
from hpo.results.plots import gallery
from hpo.results.plots import n_way as nway
from hpo.study.storage.location import StudyLocation
from model.net.saved import WEIGHTS

_FIRST_CONVOLUTION = "convolutions.0.weight"
_SHOWN = 6
"""One-shot trials in the picture."""
_CONFUSIONS = 8


def accuracy(fits: Sequence[Fit], location: StudyLocation, pictures: Pictures) -> list[Block]:
    """Return the sections on accuracy against N and per alphabet."""
    blocks: list[Block] = [Heading(2, "Accuracy against N"), *missing_fits(list(fits), location)]
    with_ways = [fit for fit in fits if n_way(fit.metrics)]
    if not with_ways:
        return [*blocks, Text("Without a final fit there is no accuracy against N to show.")]
    first = with_ways[0].metrics
    systems = {system: n_way(first, system) for system in tables.BASELINES}
    known = published.comparable(first.data)
    picture = nway.against_way(
        {fit.label: n_way(fit.metrics) for fit in with_ways},
        {system: figures for system, figures in systems.items() if figures},
        (
            "a README implementation (at N + 1)",
            {way + 1: figure / 100 for way, figure in published.N_WAY.items()},
        )
        if known
        else None,
    )
    caption = f"Within alphabets. Bars: 95 % intervals. {_basis(with_ways)}"
    if known:
        caption += (
            " The README implementation's figures were published elsewhere, without intervals; it "
            "offers one character more than the N it states, and they are drawn there."
        )
    blocks.append(pictures.add(picture, "n-way", "One-shot accuracy against N", caption))
    blocks.append(tables.within_alphabets(fits))
    blocks.append(Heading(2, "Accuracy per alphabet"))
    for way in first.ways():
        picture = _bars(way, with_ways)
        caption = f"Bars: 95 % intervals. {_basis(with_ways, way)}{_left_out(first, way)}"
        title = f"{way}-way accuracy on each test alphabet"
        blocks.append(pictures.add(picture, f"alphabets-{way}-way", title, caption))
    return blocks


def _bars(way: int, fits: Sequence[Fit]) -> nway.Figure:
    ours = {fit.label: of_alphabets(fit.metrics, "n_way", way) for fit in fits}
    first = fits[0].metrics
    names: list[str | None] = [None, *first.alphabets()]
    neighbours = [first.find("n_way", "pixel 1-NN", way, name) for name in names]
    known = [figure for figure in neighbours if figure is not None]
    return nway.by_alphabet(way, {k: v for k, v in ours.items() if v}, known, 1 / way)


def _basis(fits: Sequence[Fit], way: int | None = None) -> str:
    """Say how many trials and seeds the figures of a picture rest on."""
    said = []
    for fit in fits:
        figures = n_way(fit.metrics) if way is None else of_alphabets(fit.metrics, "n_way", way)
        trials = sorted({figure.trials for figure in figures})
        many = " or ".join(f"{number:,}" for number in trials[:3])
        if len(trials) > 3:
            many = f"{trials[0]:,} to {trials[-1]:,}"
        seeds = len(figures[0].values) if figures else 0
        each = "at each N" if way is None else "a bar"
        said.append(f"{fit.label}: {many} trials {each}, {seeds} seed{'s' * (seeds != 1)}")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}."


def _left_out(metrics: Metrics, way: int) -> str:
    figure = metrics.find("n_way", way=way)
    if figure is None or not figure.left_out:
        return ""
    names = ", ".join(name.replace("_", " ") for name in figure.left_out)
    return f" Left out, with fewer than {way} characters: {names}."


def papers_tables(
    fits: Sequence[Fit], config: Mapping[str, object], data: Mapping[str, str]
) -> list[Block]:
    """Return the section of the paper's tables and of other systems.

    Published figures stand only beside figures on the same data, which is Omniglot.

    Args:
        fits: the study's.
        definition: the study's, as plain values.
        data: what the study learns from, ``name`` and ``source``; empty where it has not begun.
    """
    about_to_be = config.get("data.dataset", "auto") in ("auto", "omniglot")
    known = published.comparable(data) if data else about_to_be
    if not known and not fits:
        return []
    title = "Beside the published figures" if known else "The paper's tests, on this data"
    blocks: list[Block] = [Heading(2, title)]
    if not known:
        blocks.append(
            Text("Published figures are left out: they are of Omniglot, this is other data.")
        )
    elif not fits:
        blocks.append(Text("Published figures alone, for there is no final fit yet."))
    protocols: dict[str, Protocol] = {
        "the official runs": "official_runs",
        "verification": "verification",
        "MNIST": "mnist",
    }
    for name, protocol in protocols.items():
        if fits and all(fit.metrics.find(protocol) is None for fit in fits):
            blocks.append(Text(f"Of {name} the final fit has no figure."))
    for heading, table in (
        ("Verification", tables.verification(fits, config, known)),
        ("Verification errors at the threshold", tables.error_rates(fits)),
        ("20-way one-shot", tables.one_shot(fits, known)),
        ("MNIST, 10-way", tables.mnist(fits, known)),
    ):
        if table.rows:
            blocks += [Heading(3, heading), table]
    return [*blocks, Heading(3, "Other systems"), *tables.errors(fits)] if known else blocks


def answers(fits: Sequence[Fit], pictures: Pictures) -> list[Block]:
    """Return the section that shows what the first fit answers."""
    blocks: list[Block] = [Heading(2, "The net's answers")]
    if not fits:
        return [*blocks, Text("Without a final fit there are no answers to show.")]
    fit = fits[0]
    shown = fit.metrics.gallery
    blocks.append(Text(f"Of {fit.label}, seed {fit.metrics.kept_seed}."))
    ink = _ink(fit)
    if ink is None:
        blocks.append(Text(f"The drawings, `{GALLERY}`, are not there or damaged; fit again."))
    else:
        blocks.append(_trials(_some(shown.trials), ink, pictures, shown.source))
        if shown.confusions:
            caption = (
                "A query of the left character was taken for the right one, so many times of "
                f"those it could have been. Counted on {_PROTOCOLS[shown.confusion_source]}."
            )
            picture = gallery.confusions(shown.confusions[:_CONFUSIONS], ink)
            blocks.append(pictures.add(picture, "confusions", "The worst confusions", caption))
        else:
            blocks.append(Text("No character was taken for another."))
    weights = _first_weights(fit)
    if weights is None:
        blocks.append(Text(f"The net's weights, `{WEIGHTS}`, are not there or damaged."))
    else:
        count, side = weights.shape[0], weights.shape[-1]
        caption = f"{count} kernels of {side} x {side} pixels; where ink raises a map, it is light."
        picture = gallery.filters(weights)
        blocks.append(pictures.add(picture, "conv1-filters", "conv1's filters", caption))
    return blocks


_PROTOCOLS = {
    "official_runs": "the official runs",
    "n_way": "random trials within the test alphabets",
    "verification": "verification pairs",
    "mnist": "MNIST's digits",
}


def _some(shown: Sequence[GalleryTrial]) -> list[GalleryTrial]:
    """Return a few trials, half of them answered wrongly where there are enough of both."""
    wrong = [trial for trial in shown if not trial.right]
    right = [trial for trial in shown if trial.right]
    wrong = wrong[: max(_SHOWN // 2, _SHOWN - len(right))]
    return wrong + right[: _SHOWN - len(wrong)]


def _trials(
    shown: Sequence[GalleryTrial], ink: np.ndarray, pictures: Pictures, source: str
) -> Block:
    if not shown:
        return Text("No trials were kept to be shown.")
    caption = (
        f"From {_PROTOCOLS[source]}; half of them wrong answers where there are enough, so they "
        "say nothing of how often the net errs. Under each drawing "
        "stands its similarity to the query, 0 to 1; from 0.5 on they count as the same, where "
        "the fit is calibrated. Solid blue frame: the right one; dashed red "
        "frame: what the net chose instead."
    )
    picture = gallery.trials(shown, ink)
    return pictures.add(picture, "one-shot-trials", "One-shot trials", caption)


def _ink(fit: Fit) -> np.ndarray | None:
    try:
        with np.load(fit.folder / GALLERY, allow_pickle=False) as file:
            ink: np.ndarray = file["ink"]
    except (OSError, ValueError, KeyError):
        return None
    return ink


def _first_weights(fit: Fit) -> np.ndarray | None:
    from safetensors import SafetensorError, safe_open

    path = fit.folder / WEIGHTS
    try:
        with safe_open(path, framework="numpy") as file:
            weights: np.ndarray = file.get_tensor(_FIRST_CONVOLUTION)
    except (OSError, SafetensorError):
        return None
    return weights[:, 0]
