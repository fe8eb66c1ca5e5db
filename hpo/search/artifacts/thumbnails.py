"""A trial's pictures: its training curve and example one-shot trials. Small and quickly made."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from data.batches.one_shot import OneShotTrials
from hpo.results.plots.style import (
    BLUE,
    GREEN,
    GREY,
    RED,
    VERMILION,
    percent_axis,
    styled,
    whole_numbers,
)
from model.evaluation.scores import one_shot_scores
from model.net.siamese import SiameseNet
from model.training.trainer import EpochResult

ASKED = 16
"""Trials scored for the picture: of the paper's 320, a twentieth of an epoch's validation."""
SHOWN = 4
_COLUMNS = 10
_CELL, _GAP, _HEADING, _LEAST_WIDTH = 44, 6, 22, 520
_RIGHT, _WRONG = BLUE, RED
_FEW, _MORE = 16, 64
"""Colours of the trials' and of the curve's picture: few enough for files far below 60 kB."""


def draw_history(history: Sequence[EpochResult], chance: float, path: Path) -> None:
    """Write a plot of loss and accuracies against epochs, of which there is one or more.

    ``chance`` is the accuracy of guessing, in [0, 1].
    """
    with styled():
        figure = Figure(figsize=(6.4, 3.2), dpi=100)
        canvas = FigureCanvasAgg(figure)
        figure.subplots_adjust(0.09, 0.15, 0.98, 0.9, wspace=0.3)
        accuracy, loss = figure.subplots(1, 2)
        epochs = [result.epoch for result in history]
        marker = "o" if len(epochs) < 30 else ""
        one_shot = [result.one_shot_accuracy for result in history]
        verified = [result.verification_accuracy for result in history]
        accuracy.plot(epochs, one_shot, color=BLUE, marker=marker, markersize=3, label="one-shot")
        accuracy.plot(epochs, verified, "--", color=GREEN, label="verification")
        accuracy.axhline(chance, color=GREY, linestyle=":", linewidth=1, label="chance")
        best = max(history, key=lambda result: result.one_shot_accuracy)
        accuracy.plot(best.epoch, best.one_shot_accuracy, "*", color=VERMILION, markersize=11)
        accuracy.set(
            xlabel="epoch", title=f"validation accuracy, best {best.one_shot_accuracy:.1%}"
        )
        accuracy.set_ylim(0, 1.02)
        percent_axis(accuracy.yaxis)
        accuracy.legend(loc="lower right", fontsize=8)
        finite = [result.loss if np.isfinite(result.loss) else np.nan for result in history]
        loss.plot(epochs, finite, color=BLUE, marker=marker, markersize=3)
        loss.set(xlabel="epoch", title="training loss")
        loss.ticklabel_format(axis="y", useOffset=False)
        for ax in (accuracy, loss):
            whole_numbers(ax.xaxis)
        canvas.draw()
        _save(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"), _MORE, path)


def draw_answers(net: SiameseNet, trials: OneShotTrials, path: Path) -> None:
    """Write a picture of a few one-shot trials, errors first, half of each kind if possible.

    The net is on the trials' device; `ASKED` of them are scored, evenly spread.
    """
    number = min(ASKED, len(trials))
    asked = torch.arange(number, device=trials.query.device) * len(trials) // number
    some = OneShotTrials(
        trials.drawings, trials.query[asked], trials.support[asked], trials.answer[asked]
    )
    scores = one_shot_scores(net, some)
    chosen, answer = scores.argmax(1).tolist(), some.answer.tolist()
    wrong = [t for t in range(number) if chosen[t] != answer[t]]
    right = [t for t in range(number) if chosen[t] == answer[t]]
    half = SHOWN // 2
    shown = (wrong[: max(half, SHOWN - len(right))] + right)[:SHOWN]

    step = _CELL + _GAP
    lines = -(-some.way // _COLUMNS)
    block = lines * step + 3 * _GAP
    width = max((min(some.way, _COLUMNS) + 2) * step, _LEAST_WIDTH)
    page = Image.new("RGB", (width, _HEADING + len(shown) * block), "white")
    pen = ImageDraw.Draw(page)
    legend = (
        (f"{len(right)} of {number} correct. Left: the query. ", "black"),
        ("Blue: the correct one. ", _RIGHT),
        ("Red, crossed: the net's choice if wrong.", _WRONG),
    )
    font, x = ImageFont.load_default(12), 2
    for words, colour in legend:
        pen.text((x, 2), words, colour, font)
        x += int(pen.textlength(words, font))
    for row, t in enumerate(shown):
        top = _HEADING + row * block
        page.paste(_cell(trials.drawings.ink[some.query[t]]), (2, top + 2))
        for n, drawing in enumerate(some.support[t].tolist()):
            x, y = (n % _COLUMNS + 2) * step, top + n // _COLUMNS * step
            page.paste(_cell(trials.drawings.ink[drawing]), (x + 2, y + 2))
            frame = (x, y, x + _CELL + 3, y + _CELL + 3)
            if n == answer[t]:
                pen.rectangle(frame, outline=_RIGHT, width=3)
            elif n == chosen[t]:
                pen.rectangle(frame, outline=_WRONG, width=3)
                pen.line((x, y, x + _CELL + 3, y + _CELL + 3), _WRONG, 2)
    _save(page, _FEW, path)


def _cell(ink: Tensor) -> Image.Image:
    """Return the drawing ``[H, W]``, ink 255, as black on white in a thin frame."""
    drawing = Image.fromarray(255 - ink.cpu().numpy())
    drawing = drawing.resize((_CELL, _CELL), Image.Resampling.BILINEAR).convert("RGB")
    ImageDraw.Draw(drawing).rectangle((0, 0, _CELL - 1, _CELL - 1), outline="#bbbbbb")
    return drawing


def _save(page: Image.Image, colours: int, path: Path) -> None:
    page.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
