"""One-shot classification of anyone's images: ``python -m model.predict``."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from data.errors import DataError
from data.ink import read_ink
from data.listing import shown
from data.support import find_queries, find_support
from model.errors import ModelError

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Ranked:
    """One class and how alike the query is to it, in [0, 1]."""

    name: str
    similarity: float


def predict(
    model: Path, support: Path, queries: Sequence[Path], device: str = "cpu"
) -> list[list[Ranked]]:
    """Return for each query every class, the most alike first, equals by name.

    A class of several images is as alike as their mean similarity: one bad drawing among them
    then decides nothing, as the most alike one would.

    Args:
        model: a folder that ``python -m hpo.final_fit`` wrote.
        support: see `find_support`.
        queries: image files, of any size, dark on light or light on dark.
        device: what to compute on.

    Raises:
        ModelError: the model cannot be used.
        DataError: an image or the support cannot be.
    """
    import numpy as np
    import torch

    from model.checkpoint import load_net

    classes = find_support(support)
    saved = load_net(model)
    net = saved.net.to(device)

    def embedded(paths: Sequence[Path]) -> torch.Tensor:
        ink = np.stack([read_ink(path, saved.image_size) for path in paths])
        return net.embed(torch.from_numpy(ink).to(device).unsqueeze(1).float() / 255)

    with torch.inference_mode():
        known = [embedded(paths) for paths in classes.values()]
        answers = []
        for query in queries:
            asked = embedded([query])
            similarities = [float(net.score(asked, one).sigmoid().mean()) for one in known]
            ranked = [Ranked(n, s) for n, s in zip(classes, similarities, strict=True)]
            if not all(math.isfinite(one.similarity) for one in ranked):
                raise ModelError(f"{model}: its scores are no numbers; fit it again")
            answers.append(sorted(ranked, key=lambda one: (-one.similarity, one.name)))
    return answers


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
            "similarities are averaged.",
            rich_help_panel="Images",
        ),
    ],
    query: Annotated[
        list[Path],
        typer.Option(
            "--query",
            metavar="FILE|DIR...",
            help="Images to classify, or folders of them; any size, dark on light or not.",
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
    try:
        queries = find_queries([*query, *(more or [])])
        _check_device(device)
        answers = predict(model, support, queries, device)
    except (DataError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    if as_json:
        found = [
            {
                "query": shown(path),
                "ranked": [
                    {"class": one.name, "similarity": round(one.similarity, 6)}
                    for one in ranked[:top]
                ],
            }
            for path, ranked in zip(queries, answers, strict=True)
        ]
        print(json.dumps(found, indent=2))
        return
    for path, ranked in zip(queries, answers, strict=True):
        _print_table(path, ranked, top)


def _print_table(path: Path, ranked: Sequence[Ranked], top: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"{shown(path)}: {ranked[0].name}"))
    for heading in ("rank", "class", "similarity"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for place, one in enumerate(ranked[:top], 1):
        table.add_row(str(place), Text(one.name), f"{one.similarity:.3f}")
    width = None if sys.stdout.isatty() else 80
    Console(file=sys.stdout, width=width).print(table)


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
