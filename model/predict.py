"""One-shot classification of your own images: ``python -m model.predict``."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.errors import DataError
from data.images.formats import WRITTEN, written_as
from data.images.listing import shown
from data.images.sheet import show_read
from data.images.support import find_queries, find_support
from model.command import CommandApp, examples
from model.errors import ModelError
from model.evaluation.classifier import Classifier, Ranked
from model.net.saved_ensemble import load_answering

app = CommandApp()

_OLD = (
    "note: this net was saved by a version that did not calibrate similarities: its ranking is "
    "right, but its similarities, and so what counts as unknown, are rough; fit it again"
)


@app.command(
    epilog=examples(
        "python -m model.predict --model studies/compact/final --support letters --query a.png",
        "python -m model.predict --model studies/compact/final --support letters --query *.png "
        "--json",
    )
)
def main(
    model: Annotated[
        Path,
        typer.Option(
            "--model",
            metavar="DIR",
            help="The folder that python -m hpo.final_fit wrote, such as studies/NAME/final. If it "
            "holds an ensemble, that is used.",
            rich_help_panel="Model",
        ),
    ],
    support: Annotated[
        Path,
        typer.Option(
            "--support",
            metavar="DIR",
            help="A folder with one image <class>.png per class, or one folder <class>/ of "
            "several, whose scores are averaged.",
            rich_help_panel="Images",
        ),
    ],
    query: Annotated[
        list[Path],
        typer.Option(
            "--query",
            metavar="FILE|DIR...",
            help="Images to classify, or folders of them; of any size, dark on light or light on "
            "dark.",
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
            help="Show the K most similar classes.",
            rich_help_panel="Output",
        ),
    ] = 5,
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold",
            metavar="X",
            help="Answer unknown if no class has at least this similarity, 0 to 1. The default "
            "separates same from different pairs best; the best of many classes passes it more "
            "often.",
            rich_help_panel="Output",
        ),
    ] = 0.5,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON instead of tables.", rich_help_panel="Output"),
    ] = False,
    show: Annotated[
        Path | None,
        typer.Option(
            "--show",
            metavar="FILE.png",
            help="Write all images there on one sheet, each beside the net's input; .jpg, .webp, "
            "... work too.",
            rich_help_panel="Output",
        ),
    ] = None,
    single: Annotated[
        bool,
        typer.Option(
            "--single",
            help="Use the single net even if there is an ensemble.",
            rich_help_panel="Model",
        ),
    ] = False,
    device: Annotated[
        str,
        typer.Option(
            "--device",
            metavar="cpu|cuda|cuda:N",
            help="The device to compute on.",
            rich_help_panel="Machine",
        ),
    ] = "cpu",
) -> None:
    """Classify each image, given one or a few examples of each class."""
    if not 0 <= threshold <= 1:
        raise typer.BadParameter(f"{threshold} is not from 0 to 1", param_hint="--threshold")
    if show and written_as(show) is None:
        raise typer.BadParameter(
            f"{shown(show)}: its suffix must be one of {', '.join(WRITTEN)}",
            param_hint="--show",
        )
    bad: list[str] = []
    try:
        queries = find_queries([*query, *(more or [])])
        _check_device(device)
        if show:  # first, so that the sheet is there even if the rest fails
            try:
                size = load_answering(model, single=single).image_size
                show_read(find_support(support), queries, size, show)
            except DataError as error:
                bad.append(str(error))
        classifier = Classifier(model, support, device, single=single)
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
    bad += [answer.error for answer in answers if answer.error]
    for message in bad:
        print(f"error: {message}", file=sys.stderr)
    if bad:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Answer:
    """The answer to one query: its ranked classes, or why there are none."""

    query: Path
    ranked: Sequence[Ranked] = ()
    unknown: bool = False
    error: str = ""

    def as_json(self, top: int) -> dict[str, Any]:
        if self.error:
            return {"query": shown(self.query), "error": self.error}
        return {
            "query": shown(self.query),
            "answer": None if self.unknown else self.ranked[0].name,
            "unknown": self.unknown,
            "ranked": [
                {"class": one.name, "similarity": one.similarity, "logit": one.logit}
                for one in self.ranked[:top]
            ],
        }

    def print_table(self, top: int) -> None:
        if self.error:
            return
        closest = self.ranked[0].name
        said = f"unknown, closest to {closest}" if self.unknown else closest
        table = Table(title=Text(f"{shown(self.query)}: {said}"))
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
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise typer.BadParameter(
            f"{device} is not available here; give cpu, cuda or cuda:N", param_hint="--device"
        ) from None


if __name__ == "__main__":
    app()
