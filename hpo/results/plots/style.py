"""The style of every plot: colours, markers, sizes, and saving.

Made for a column of 800 pixels and for print. The colours are Okabe and Ito's, safe for colour
blindness; each comes with its own marker and line style, so that grey print works too.
"""

import io
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter
from PIL import Image

from data.files.atomic import write_bytes

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#767676"
RED = "#C40000"
"""Of what is wrong, always with a word or a sign that says so as well."""

COLOUR_MAP = "cividis"
"""For numbers: safe for colour blindness, and dark to light in grey."""

WIDTH = 8.0
"""Of every figure, in inches: 10 points of text come out at 14 pixels of an 800-pixel column."""
_DPI = 150
_LARGE = 150_000
"""Bytes above which a picture is quantised to fewer colours."""
_LEGEND_CHARACTERS = 88
"""Characters that fit one line of a legend."""

_SETTINGS: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "text.parse_math": False,  # an alphabet may be named $x$
}


@dataclass(frozen=True)
class Look:
    """A series' colour, marker and line style."""

    colour: str
    marker: str
    line: str = "-"

    def of_line(self) -> dict[str, Any]:
        """Return the arguments of ``plot``."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.line}


SERIES = (
    Look(BLUE, "o", "-"),
    Look(VERMILION, "s", "--"),
    Look(GREEN, "^", "-."),
    Look(PURPLE, "D", ":"),
    Look(ORANGE, "v", (0, (6, 1, 1, 1, 1, 1))),  # type: ignore[arg-type]
    Look(SKY, "P", (0, (3, 3))),  # type: ignore[arg-type]
    Look(BLACK, "X", (0, (1, 1))),  # type: ignore[arg-type]
)
"""The looks of the first, second, ... series of a plot; then they repeat."""

OUTCOMES = {
    "complete": Look(BLUE, "o"),
    "paused": Look(SKY, "D"),
    "pruned": Look(ORANGE, "v"),
    "failed or interrupted": Look(VERMILION, "X"),
    "running": Look(GREEN, ">"),
    "waiting": Look(GREY, "."),
}
"""The look of each `hpo.study.attempts.outcome` of a trial, in the order of a legend."""


@contextmanager
def styled() -> Iterator[None]:
    """Apply this style while the block runs, or to a function as ``@styled()``."""
    with matplotlib.rc_context(_SETTINGS):
        yield


def axes(
    rows: int = 1, columns: int = 1, *, height: float, **options: Any
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure of full width, ``height`` inches high, and its axes by row."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.07, h_pad=0.07)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, [list(row) for row in grid]


def percent_axis(axis: Any) -> None:
    """Label the ticks of an axis of accuracies in [0, 1] in percent."""
    axis.set_major_formatter(PercentFormatter(1.0))


def legend(figure: Figure, ax: Axes, first: Iterable[str] = (), columns: int = 2) -> None:
    """Put the legend of ``ax`` below the figure, the labels ``first`` before the others."""
    entries = {label: handle for handle, label in zip(*ax.get_legend_handles_labels())}
    order = [*(label for label in first if label in entries)]
    order += [label for label in entries if label not in order]
    while columns > 1 and columns * max(map(len, order), default=0) > _LEGEND_CHARACTERS:
        columns -= 1
    if order:
        handles = [entries[label] for label in order]
        figure.legend(handles, order, loc="outside lower center", ncols=columns)


def whole_numbers(axis: Any) -> None:
    """Put the ticks of an axis at integers only."""
    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def log_ticks(ax: Axes, low: float, high: float, most: int) -> None:
    """Make x logarithmic, with at most ``most`` ticks of round numbers from low to high."""
    ax.set_xscale("log")
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [digit * 10.0**power for power in range(first, last + 1) for digit in digits]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) <= most:
            break
    if len(ticks) < 2:
        # Too short for two round numbers.
        ticks = sorted({low, *ticks, high} if high > 1.2 * low else {low})[: 2 + len(ticks)]
    ticks = ticks[:: -(-len(ticks) // most)]
    ax.set_xticks(ticks, [_short(tick) for tick in ticks])
    ax.xaxis.set_minor_locator(NullLocator())


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _short(number: float) -> str:
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    if number >= 0.1:
        return f"{number:.3g}"
    digit, power = f"{number:.0e}".split("e")
    return ("" if digit == "1" else f"{digit}·") + f"10{str(int(power)).translate(_RAISED)}"


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG, with fewer colours if it is large."""
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, dpi=_DPI, format="png", facecolor="white")
    if buffer.tell() > _LARGE:
        with Image.open(buffer) as image:
            small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        buffer = io.BytesIO()
        small.save(buffer, format="PNG", optimize=True)
    write_bytes(path, buffer.getvalue())
