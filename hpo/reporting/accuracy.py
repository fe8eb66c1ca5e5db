"""The sections on the final fits: accuracies, published results beside ours, the gallery."""

from collections.abc import Mapping, Sequence

import numpy as np

from hpo.reporting import tables
from hpo.reporting.document import Block, Fold, Heading, PictureFolder, Text
from hpo.results import published
from hpo.results.accuracy import scopes
from hpo.results.fits import SavedFit, load_ink, n_way, of_alphabets, with_ensembles
from hpo.results.metrics import GALLERY, GalleryTrial, Metrics, Protocol
from hpo.results.plots import gallery
from hpo.results.plots import n_way as nway
from hpo.study.errors import StudyError
from model.baselines import BASELINES
from model.net.saved import WEIGHTS

_FIRST_CONVOLUTION = "convolutions.0.weight"
_SHOWN = 6
"""One-shot trials in the gallery."""
_CONFUSIONS = 8


def accuracy(fits: Sequence[SavedFit], pictures: PictureFolder) -> list[Block]:
    """Return the sections on accuracy against N and per alphabet; nothing without a final fit."""
    with_ways = with_ensembles([fit for fit in fits if n_way(fit.metrics)])
    if not with_ways:
        return []
    first = with_ways[0].metrics
    known = published.comparable(first.data)
    picture = n_way_plot(with_ways)
    over = scopes([one for fit in with_ways for one in n_way(fit.metrics, fit.system)])
    caption = f"Within alphabets. Bars: 95 % intervals over {over}. {_basis(with_ways)}"
    if known:
        caption += (
            f" The {published.N_WAY_SYSTEM} is published without intervals; its trials have one "
            "character more than the N it states, so they are plotted at N + 1."
        )
    against_n = pictures.add(picture, "n-way", "One-shot accuracy against N", caption)
    return [
        Fold("Accuracy against N", [against_n, tables.within_alphabets(fits)]),
        Fold("Accuracy per alphabet", [_alphabets(with_ways, pictures)]),
    ]


def n_way_plot(fits: Sequence[SavedFit]) -> nway.Figure:
    """Plot the fits' accuracies against N, with the baselines of the first."""
    first = fits[0].metrics
    baselines = {row.title: n_way(first, name) for name, row in BASELINES.items()}
    return nway.against_way(
        {fit.label: n_way(fit.metrics, fit.system) for fit in fits},
        {title: found for title, found in baselines.items() if found},
        (
            f"{published.N_WAY_SYSTEM} (at N + 1)",
            {way + 1: figure / 100 for way, figure in published.N_WAY.items()},
        )
        if published.comparable(first.data)
        else None,
    )


def _alphabets(fits: Sequence[SavedFit], pictures: PictureFolder) -> Block:
    first = fits[0].metrics
    ways = first.ways()
    baselines = {
        row.title: [one for way in ways for one in of_alphabets(first, way, name)]
        for name, row in BASELINES.items()
    }
    picture = nway.by_alphabet(
        {
            fit.label: [one for way in ways for one in of_alphabets(fit.metrics, way, fit.system)]
            for fit in fits
        },
        {title: found for title, found in baselines.items() if found},
    )
    over = scopes([one for fit in fits for one in n_way(fit.metrics, fit.system)])
    caption = (
        "Lines: 95 % intervals, of each alphabet over other trials of it alone, of all together "
        f"over {over}. {_basis(fits, ways[-1])}"
    )
    caption += "".join(_left_out(first, way) for way in ways)
    return pictures.add(picture, "alphabets", "Accuracy on each test alphabet", caption)


def _basis(fits: Sequence[SavedFit], way: int | None = None) -> str:
    """Return a sentence on the trials and seeds behind a plot."""
    said = []
    for fit in fits:
        known, system = fit.metrics, fit.system
        figures = n_way(known, system) if way is None else of_alphabets(known, way, system)
        trials = sorted({figure.trials for figure in figures})
        many = " or ".join(f"{number:,}" for number in trials[:3])
        if len(trials) > 3:
            many = f"{trials[0]:,} to {trials[-1]:,}"
        each = "at each N" if way is None else "per point"
        behind = figures[0].fits if figures else "0 seeds"
        said.append(f"{fit.label}: {many} trials {each}, {behind}")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}."


def _left_out(metrics: Metrics, way: int) -> str:
    figure = metrics.find("n_way", way=way)
    if figure is None or not figure.left_out:
        return ""
    names = ", ".join(name.replace("_", " ") for name in figure.left_out)
    return f" Left out of {way}-way, as they have fewer than {way} characters: {names}."


def published_results(
    fits: Sequence[SavedFit], config: Mapping[str, object], data: Mapping[str, str]
) -> list[Block]:
    """Return the section that compares our fits with the paper and with other systems.

    Published results are listed only beside results on the same data, which is Omniglot.

    Args:
        fits: the study's.
        config: the study's, flat.
        data: of the study's data set, ``name`` and ``source``; empty if the study has not begun.
    """
    on_omniglot = config.get("data.dataset", "auto") in ("auto", "omniglot")
    known = published.comparable(data) if data else on_omniglot
    if not known and not fits:
        return []
    blocks: list[Block] = []
    if not known:
        blocks.append(
            Text("Published results are left out: they are on Omniglot, this is other data.")
        )
    elif not fits:
        blocks.append(Text("There is no final fit yet, so only published results are listed."))
    protocols: dict[str, Protocol] = {
        "the official runs": "official_runs",
        "verification": "verification",
        "MNIST": "mnist",
    }
    for name, protocol in protocols.items():
        if fits and all(fit.metrics.find(protocol) is None for fit in fits):
            blocks.append(Text(f"The final fit was not tested on {name}."))
    for heading, table in (
        ("20-way one-shot", tables.one_shot(fits, known)),
        ("Verification", tables.verification(fits, config, known)),
        ("Verification errors at the threshold", tables.error_rates(fits)),
        ("MNIST, 10-way", tables.mnist(fits, known)),
    ):
        if table.rows:
            blocks += [Heading(3, heading), table]
    if known:
        blocks += [Heading(3, "Other systems"), *tables.errors(fits)]
    title = "Comparison with published results" if known else "The paper's tests on this data"
    return [Fold(title, blocks)]


def net_gallery(fits: Sequence[SavedFit], pictures: PictureFolder) -> list[Block]:
    """Return the section with example trials, confusions and filters of the first fit, if any."""
    if not fits:
        return []
    fit = fits[0]
    shown = fit.metrics.gallery
    blocks: list[Block] = [Text(f"From {fit.label}, seed {fit.metrics.kept_seed}.")]
    try:
        ink = load_ink(fit.folder, shown)
    except StudyError:
        blocks.append(
            Text(f"The drawings, `{GALLERY}`, are missing or damaged; run the final fit again.")
        )
    else:
        blocks.append(_trials(_some(shown.trials), ink, pictures, shown.source))
        if shown.confusions:
            caption = (
                "How often a query of the left character was classified as the right one, of the "
                f"trials that offered both. Counted on {_PROTOCOLS[shown.confusion_source]}."
            )
            picture = gallery.confusions(shown.confusions[:_CONFUSIONS], ink)
            blocks.append(pictures.add(picture, "confusions", "Most frequent confusions", caption))
        else:
            blocks.append(Text("No query was misclassified."))
    weights = _first_weights(fit)
    if weights is None:
        blocks.append(
            Text(
                f"The net's weights, `{WEIGHTS}`, are missing or damaged; run the final fit again."
            )
        )
    else:
        count, side = weights.shape[0], weights.shape[-1]
        caption = f"{count} kernels of {side} x {side} pixels; light pixels are positive weights."
        picture = gallery.filters(weights)
        blocks.append(pictures.add(picture, "conv1-filters", "conv1 filters", caption))
    return [Fold("Gallery", blocks)]


_PROTOCOLS = {
    "official_runs": "the official runs",
    "n_way": "random trials within the test alphabets",
    "verification": "verification pairs",
    "mnist": "MNIST's digits",
}


def _some(shown: Sequence[GalleryTrial]) -> list[GalleryTrial]:
    """Return a few trials, half of them errors if there are enough of both."""
    wrong = [trial for trial in shown if not trial.right]
    right = [trial for trial in shown if trial.right]
    wrong = wrong[: max(_SHOWN // 2, _SHOWN - len(right))]
    return wrong + right[: _SHOWN - len(wrong)]


def _trials(
    shown: Sequence[GalleryTrial], ink: np.ndarray, pictures: PictureFolder, source: str
) -> Block:
    if not shown:
        return Text("The final fit kept no example trials.")
    caption = (
        f"From {_PROTOCOLS[source]}. Half of them are errors if there are enough, so they do not "
        "show the error rate. Below each drawing: its similarity to the query, 0 to 1; if the fit "
        "is calibrated, 0.5 or more means the same character. Solid blue frame: the correct one; "
        "dashed red frame: the net's choice where it was wrong."
    )
    picture = gallery.trials(shown, ink)
    return pictures.add(picture, "one-shot-trials", "Example one-shot trials", caption)


def _first_weights(fit: SavedFit) -> np.ndarray | None:
    from safetensors import SafetensorError, safe_open

    path = fit.folder / WEIGHTS
    try:
        with safe_open(path, framework="numpy") as file:
            weights: np.ndarray = file.get_tensor(_FIRST_CONVOLUTION)
    except (OSError, SafetensorError):
        return None
    right = weights.ndim == 4 and weights.size > 0 and np.isfinite(weights).all()
    return weights[:, 0] if right else None
