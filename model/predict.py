"""One-shot classification of anyone's images: ``python -m model.predict``."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import DataError
from data.ink import read_ink
from data.support import find_support
from model.calibration import Calibration
from model.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_NAMED = 20
"""Bad images that one message names."""
_COMPARED = 200
"""Images of a support that are compared with each other, to calibrate a net saved without."""
_OLD = (
    "note: this net was saved by a version that did not calibrate similarities: its ranking is "
    "right, its similarities and what counts as unknown are rough; fit it again"
)


@dataclass(frozen=True)
class Ranked:
    """One class and how alike the query is to it.

    Attributes:
        name: the class.
        logit: the net's own score, the mean over the class's images; any number.
        similarity: the calibrated logit, in [0, 1]; from 0.5 on they count as of one character.
    """

    name: str
    logit: float
    similarity: float


class Classifier:
    """A saved net and the classes that it tells apart.

    A class of several images is as alike as their mean logit: one bad drawing among them then
    decides nothing, as the most alike one would.

    Example:
        >>> classifier = Classifier(Path("studies/compact/final"), Path("letters"))
        >>> classifier.rank(Path("unknown.png"))[0].name

    Attributes:
        calibrated: whether similarities are calibrated; they are not in nets of earlier versions.

    Raises:
        ModelError: the model cannot be used.
        DataError: the support cannot be; every image of it that cannot be read is named.
    """

    def __init__(self, model: Path, support: Path, device: str = "cpu"):
        from model.checkpoint import load_net

        classes = find_support(support)
        saved = load_net(model)
        self._model, self._size, self._device = model, saved.image_size, device
        self._net = saved.net.to(device)
        self._known = self._embed_support(classes)
        self.calibrated = saved.calibration is not None
        self._calibration = saved.calibration or self._own_calibration(saved.threshold)

    def rank(self, query: Path) -> list[Ranked]:
        """Return every class, the most alike first, equals by name.

        Args:
            query: an image file, of any size, dark on light or light on dark.

        Raises:
            DataError: it cannot be read, or is blank.
            ModelError: the net's scores are no numbers.
        """
        import torch

        asked = self._embed([self._ink(query)])
        logits = torch.stack([self._score(asked, known).mean() for known in self._known.values()])
        if not bool(logits.isfinite().all()):
            raise ModelError(f"{self._model}: its scores are no numbers; fit it again")
        columns = zip(self._known, logits.tolist(), self._calibration(logits).tolist(), strict=True)
        return sorted((Ranked(*each) for each in columns), key=lambda one: (-one.logit, one.name))

    def _ink(self, path: Path) -> "np.ndarray":
        ink = read_ink(path, self._size)
        if not ink.any():
            raise DataError(
                f"{path}: blank, no ink found in it; draw darker, or crop to the drawing"
            )
        return ink

    def _embed_support(self, classes: Mapping[str, Sequence[Path]]) -> "dict[str, Tensor]":
        inks: dict[str, list[np.ndarray]] = {name: [] for name in classes}
        bad = []
        for name, paths in classes.items():
            for path in paths:
                try:
                    inks[name].append(self._ink(path))
                except DataError as error:
                    bad.append(str(error))
        if bad:
            more = f"\nand {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
            raise DataError("\n".join(bad[:_NAMED]) + more)
        return {name: self._embed(images) for name, images in inks.items()}

    def _embed(self, inks: "Sequence[np.ndarray]") -> "Tensor":
        import numpy as np
        import torch

        images = torch.from_numpy(np.stack(inks)).to(self._device).unsqueeze(1)
        with torch.inference_mode():
            return self._net.embed(images.float() / 255)

    def _score(self, first: "Tensor", second: "Tensor") -> "Tensor":
        import torch

        # In float64 similarities stay distinct much further.
        with torch.inference_mode():
            return self._net.score(first, second).double().cpu()

    def _own_calibration(self, threshold: float) -> Calibration:
        """Return a calibration for a net that was saved without one.

        Its threshold, a sigmoid, gives the shift; where that is 0 or 1 already, the support's
        images do: they are of different characters, but for those of one class.
        """
        import torch

        if 0 < threshold < 1:
            return Calibration(shift=math.log(threshold) - math.log1p(-threshold), scale=1.0)
        images = torch.cat(list(self._known.values()))
        of = torch.arange(len(self._known)).repeat_interleave(
            torch.tensor([len(known) for known in self._known.values()])
        )
        some = torch.arange(len(images))[:: -(-len(images) // _COMPARED)]
        first, second = torch.combinations(some, 2).unbind(1)
        scores = self._score(images[first], images[second])
        return Calibration.fit(scores, (of[first] == of[second]).float())


def predict(
    model: Path, support: Path, queries: Sequence[Path], device: str = "cpu"
) -> list[list[Ranked]]:
    """Return for each query every class, the most alike first, equals by name.

    Args:
        model: a folder that ``python -m hpo.final_fit`` wrote.
        support: see `find_support`.
        queries: image files, of any size, dark on light or light on dark.
        device: what to compute on.

    Raises:
        ModelError: the model cannot be used.
        DataError: an image or the support cannot be.
    """
    classifier = Classifier(model, support, device)
    return [classifier.rank(query) for query in queries]


@app.command(
    epilog="[bold]Examples[/bold]\n\n"
    "python -m model.predict --model studies/compact/final --support letters --query a.png\n\n"
    "python -m model.predict --model studies/compact/final --support letters --query *.png --json"
)
def main(
    model: Annotated[
        Path,
        typer.Option(
            "--model",
            metavar="DIR",
            help="What python -m hpo.final_fit wrote, studies/NAME/final.",
            rich_help_panel="Model",
        ),
    ],
    support: Annotated[
        Path,
        typer.Option(
            "--support",
            metavar="DIR",
            help="The classes: an image <class>.png each, or a folder <class>/ of several, whose "
            "scores are averaged.",
            rich_help_panel="Images",
        ),
    ],
    query: Annotated[
        list[Path],
        typer.Option(
            "--query",
            metavar="FILE...",
            help="Images to classify, of any size, dark on light or light on dark.",
            rich_help_panel="Images",
        ),
    ],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE...]", help="More images to classify.")
    ] = None,
    top: Annotated[
        int,
        typer.Option(
            "--top",
            metavar="K",
            min=1,
            help="Show the K most alike classes.",
            rich_help_panel="Output",
        ),
    ] = 5,
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold",
            metavar="X",
            help="Answer unknown if no class is this similar, 0 to 1. The default tells same from "
            "different best on pairs; the best of many classes passes it more often.",
            rich_help_panel="Output",
        ),
    ] = 0.5,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON instead of tables.", rich_help_panel="Output"),
    ] = False,
    device: Annotated[
        str,
        typer.Option(
            "--device",
            metavar="cpu|cuda|cuda:N",
            help="What to compute on.",
            rich_help_panel="Machine",
        ),
    ] = "cpu",
) -> None:
    """Say which class each image is of, from an example or a few of each class."""
    queries = [*query, *(more or [])]
    if not 0 <= threshold <= 1:
        raise typer.BadParameter(f"{threshold} is not from 0 to 1", param_hint="--threshold")
    try:
        _check_device(device)
        classifier = Classifier(model, support, device)
        answers = [_answer(classifier, path, threshold) for path in queries]
    except (DataError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    if not classifier.calibrated:
        print(_OLD, file=sys.stderr)
    if as_json:
        print(json.dumps([answer.as_json(top) for answer in answers], indent=2))
    else:
        for answer in answers:
            answer.print_table(top)
    bad = [answer.error for answer in answers if answer.error]
    for error in bad:
        print(f"error: {error}", file=sys.stderr)
    if bad:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Answer:
    """What is said of one query: its classes, or why there are none."""

    query: Path
    ranked: Sequence[Ranked] = ()
    unknown: bool = False
    error: str = ""

    def as_json(self, top: int) -> dict[str, Any]:
        if self.error:
            return {"query": str(self.query), "error": self.error}
        return {
            "query": str(self.query),
            "answer": None if self.unknown else self.ranked[0].name,
            "unknown": self.unknown,
            "ranked": [
                {"class": one.name, "similarity": one.similarity, "logit": one.logit}
                for one in self.ranked[:top]
            ],
        }

    def print_table(self, top: int) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        if self.error:
            return
        closest = self.ranked[0].name
        said = f"unknown, closest to {closest}" if self.unknown else closest
        table = Table(title=Text(f"{self.query}: {said}"))
        for heading in ("rank", "class", "similarity"):
            table.add_column(heading, justify="left" if heading == "class" else "right")
        for place, one in enumerate(self.ranked[:top], 1):
            table.add_row(str(place), Text(one.name), f"{one.similarity:.3f}")
        width = None if sys.stdout.isatty() else 80
        Console(file=sys.stdout, width=width).print(table)


def _answer(classifier: Classifier, query: Path, threshold: float) -> _Answer:
    try:
        ranked = classifier.rank(query)
    except DataError as error:
        return _Answer(query, error=str(error))
    return _Answer(query, ranked, unknown=ranked[0].similarity < threshold)


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise typer.BadParameter(
            f"{device} is not to be had here; give cpu, cuda or cuda:N", param_hint="--device"
        ) from None


if __name__ == "__main__":
    app()
