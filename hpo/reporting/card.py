"""The model card of a final fit: ``README.md`` in its folder, made from its metrics alone."""

from collections.abc import Iterator
from pathlib import Path

from data.files.atomic import write_bytes
from data.files.regular import read_regular
from hpo.reporting.document import Block, Code, Heading, Table, Text, markdown
from hpo.reporting.tables import between, percent
from hpo.results import published
from hpo.results.accuracy import ENSEMBLE, NET, Accuracy
from hpo.results.fits import ENSEMBLE_ONNX, ONNX, exports
from hpo.results.markdown import code
from hpo.results.metrics import EnsembleFit, Metrics, SeedFit
from hpo.study.provenance import is_uncommitted
from hpo.terminal.progress import duration
from model.baselines import BASELINES

CARD, _KOCH = "README.md", "Koch's net"

_WITH = """
from pathlib import Path
from model.evaluation.classifier import Classifier

classifier = Classifier(Path("{folder}"), Path("letters"))
for answer in classifier.rank(Path("unknown.png"))[:3]:
    print(answer.name, answer.similarity)
"""
_WITHOUT = """
import numpy, onnxruntime
from PIL import Image

net = onnxruntime.InferenceSession("{folder}/{file}")
images = [Image.open(name).convert("L").resize(({size}, {size})) for name in ("a.png", "b.png")]
a, b = [1 - numpy.asarray(image, numpy.float32)[None, None] / 255 for image in images]
print(net.run(["similarity"], {{"image_a": a, "image_b": b}})[0])
"""


def write_card(metrics: Metrics, folder: Path) -> None:
    """Write the card into the fit's folder, unless it lies there already.

    Raises:
        OSError: the folder cannot be written.
    """
    text, file = markdown(card(metrics, folder.name)).encode(), folder / CARD
    if not file.is_file() or read_regular(file) != text:
        write_bytes(file, text)


def card(metrics: Metrics, folder: str) -> list[Block]:
    """Return the card of the fit in the folder of this name."""
    size = metrics.image_size
    kept = _kept(metrics)
    level = 0.5 if kept is None else kept.verification_threshold
    file = ENSEMBLE_ONNX if ENSEMBLE_ONNX in exports(metrics) else ONNX
    return [
        Heading(1, f"{metrics.study}, trial {metrics.trial}: a net for one-shot recognition"),
        Text(
            f"Says how alike two drawings of characters are, from 0 to 1; from {level:.3g} on they "
            f"count as the same character. A siamese net after {published.PAPER}: "
            f"{metrics.net_parameters:,} parameters, images of {size} x {size} px."
        ),
        Heading(2, "Accuracy"),
        _figures(metrics),
        *map(Text, _beside(metrics)),
        *(_ensemble(metrics.ensemble, metrics) if metrics.ensemble else ()),
        Heading(2, "Data and protocol"),
        *map(Text, _protocol(metrics)),
        Heading(2, "Limits"),
        *map(Text, _limits(metrics)),
        Heading(2, "Use"),
        Text(
            f"From the folder that holds `{folder}`. With this project installed, where `letters` "
            "holds an image of each class, or a folder of several:"
        ),
        Code(_WITH.format(folder=folder)),
        Text(
            "Without it, two clean square drawings, dark on white; inputs are "
            f"`[batch, 1, {size}, {size}]`, float32, ink 1 and paper 0:"
        ),
        Code(_WITHOUT.format(folder=folder, size=size, file=file)),
    ]


def _kept(metrics: Metrics) -> SeedFit | None:
    return next((one for one in metrics.seeds if one.seed == metrics.kept_seed), None)


def _figures(metrics: Metrics) -> Table:
    shown = [one for one in metrics.figures if one.system == NET and one.alphabet is None]
    known = [n for n in BASELINES if any(one.system == n for one in metrics.figures)]
    rows = []
    joined = [metrics.ensemble.title] if metrics.ensemble else []
    for figure in shown:
        together = [metrics.find(figure.protocol, ENSEMBLE, figure.way) for _ in joined]
        others = [metrics.find(figure.protocol, name, figure.way) for name in known]
        rows.append(
            (
                _test(figure),
                percent(figure.mean),
                between(figure.low, figure.high),
                figure.scope,
                f"{figure.trials:,}",
                *(f"{percent(t.mean)} ({between(t.low, t.high)})" if t else "" for t in together),
                *(percent(one.mean) if one is not None else "" for one in others),
            )
        )
    number = len(metrics.seeds)
    which = "`model.safetensors` is that of" if joined else "the weights here are those of"
    of = f"means of {number} fits with different seeds, of which {which}"
    titles = (BASELINES[name].title for name in known)
    return Table(
        ("test", "accuracy", "95 % interval", "interval over", "trials", *joined, *titles),
        rows,
        "On the test alphabets, measured once, after everything else; "
        f"{of if number > 1 else 'of one fit, with'} seed {metrics.kept_seed}.",
    )


def _ensemble(joined: EnsembleFit, metrics: Metrics) -> Iterator[Block]:
    yield Heading(2, "Ensemble")
    seeds = ", ".join(map(str, joined.seeds))
    yield Text(
        f"`ensemble` holds the nets of seeds {seeds}. As one they answer with the mean of their "
        "calibrated logits, calibrated anew on validation pairs: at a similarity of 0.5, "
        f"{percent(joined.false_accept)} of different ones are accepted and "
        f"{percent(joined.false_reject)} of same ones rejected. Its intervals do not cover how an "
        "ensemble of other seeds would do."
    )
    file = "there is none of the ensemble, which is too large for one"
    if ENSEMBLE_ONNX in exports(metrics):
        file = "`ensemble.onnx` is the ensemble, with the same inputs and output"
    yield Text(
        "The ensemble answers below, and in `python -m model.predict`. The net of seed "
        f"{metrics.kept_seed} alone is asked with `Classifier(..., single=True)`, or `--single`; "
        f"`siamese.onnx` is that net, {file}."
    )


def _test(figure: Accuracy) -> str:
    without = f", without {', '.join(figure.left_out)}" if figure.left_out else ""
    return f"{figure.title}{without}"


def _beside(metrics: Metrics) -> Iterator[str]:
    if published.comparable(metrics.data) and metrics.find("official_runs") is not None:
        known = dict(published.ONE_SHOT)
        said = f"people {known['humans']} %, Koch's net {known[_KOCH]} %"
        yield f"Published on the official runs: {said}."
    if metrics.collapses:
        yield f"{metrics.collapses[:1].upper()}{metrics.collapses[1:]}."
    if is_uncommitted(metrics.versions.get("revision", "")):
        yield "From uncommitted code, so that nobody can repeat it."


def _protocol(metrics: Metrics) -> Iterator[str]:
    data, omniglot = metrics.data, published.comparable(metrics.data)
    yield f"Data: {code(data['name'])}, digest `{data['digest'][:12]}`."
    if metrics.validation == "lake":
        where = "background alphabets" if omniglot else "alphabets"
        yield (
            f"Split: Lake's. Held-out {where} chose the configuration; then the fits trained on "
            "these too and kept their last epoch. No drawing of a test alphabet was read before "
            "the test."
        )
    elif omniglot:
        yield (
            "Split: Koch's, as in the paper. Ten alphabets of the evaluation set, other than those "
            "that test, chose the configuration and the epoch. Results whose choices saw the "
            "background set alone are under a stricter rule."
        )
    else:
        yield (
            "Split: alphabets that neither train nor test chose the configuration and the epoch."
        )
    if names := metrics.alphabets():
        yield f"Tested on: {', '.join(names)}."
    chosen = f"Trial {metrics.trial} of the search"
    if metrics.selection:
        chosen += f", the best of {len({c.trial for c in metrics.selection})} that were retrained "
        chosen += "and rescored"
    pairs = sum(seed.pairs_seen for seed in metrics.seeds) / len(metrics.seeds)
    yield (
        f"{chosen}. Each fit saw about {pairs:,.0f} pairs; "
        f"{duration(60 * metrics.minutes)} in all, on {metrics.device}. Versions: "
        f"{', '.join(f'{name} {version}' for name, version in metrics.versions.items())}."
    )


def _limits(metrics: Metrics) -> Iterator[str]:
    if published.comparable(metrics.data):
        yield (
            "Learnt from Omniglot: single characters that 20 people drew online, one thin pen on "
            "white. No figure here is of photographs or scans. This "
            "project brings them to such drawings first; the ONNX file alone does not."
        )
    else:
        yield (
            f"Learnt from the images of {code(metrics.data['name'])} alone. How it does on other "
            "hands, pens or cameras has not been measured."
        )
    yield (
        "One character in an image. N-way accuracies are of N classes of one alphabet, one drawing "
        "of each; more classes, or classes more alike, are harder."
    )
    kept, alone = _kept(metrics), ", by the net alone" if metrics.ensemble else ""
    if kept is not None and kept.false_accept is not None and kept.false_reject is not None:
        yield (
            f"At a similarity of 0.5{alone}, {percent(kept.false_accept)} of different validation "
            f"pairs are accepted and {percent(kept.false_reject)} of same ones rejected, on the "
            "pairs that it is calibrated on. The most similar of many classes is accepted more "
            "often than one pair is, so try a threshold on images of your own."
        )
    else:
        yield "Written by an earlier version: false accepts and rejects are not known."
