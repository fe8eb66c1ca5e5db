from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from hpo.results.plots.style import (
    OUTCOMES,
    SERIES,
    axes,
    legend,
    log_ticks,
    percent_axis,
    save,
    styled,
)


def test_looks_differ_in_more_than_colour() -> None:
    assert len({(look.marker, str(look.line)) for look in SERIES}) == len(SERIES)
    assert len({look.marker for look in OUTCOMES.values()}) == len(OUTCOMES)


def test_the_style_holds_within_its_block_alone() -> None:
    before = matplotlib.rcParams["legend.frameon"]
    with styled():
        assert matplotlib.rcParams["legend.frameon"] is False
    assert matplotlib.rcParams["legend.frameon"] == before


@pytest.mark.parametrize(
    ("low", "high", "most"), [(1e-6, 1e-1, 3), (0.011, 0.014, 3), (3, 3, 3), (900, 2e9, 4)]
)
def test_logarithmic_ticks_are_few_and_within_the_range(low: float, high: float, most: int) -> None:
    _, [[ax]] = axes(height=2)
    log_ticks(ax, low, high, most)
    ticks = ax.get_xticks()
    assert 1 <= len(ticks) <= most
    assert all(low * 0.999 <= tick <= high * 1.001 for tick in ticks)
    assert all(label.get_text() for label in ax.get_xticklabels())


def test_a_legend_is_ordered_and_as_narrow_as_its_labels_need() -> None:
    figure, [[ax]] = axes(height=2)
    for label in ("b" * 60, "a" * 60):
        ax.plot([1], label=label)
    percent_axis(ax.yaxis)
    legend(figure, ax, first=["a" * 60, "absent"])
    (made,) = figure.legends
    assert [text.get_text()[0] for text in made.get_texts()] == ["a", "b"]
    assert made._ncols == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("noise", [False, True])
def test_a_picture_is_saved_small_under_any_name(tmp_path: Path, noise: bool) -> None:
    figure, [[ax]] = axes(height=6)
    if noise:
        ax.imshow(np.random.default_rng(0).random((300, 300, 3)), interpolation="nearest")
    path = tmp_path / "plot.png.part"
    save(figure, path)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width == 1200
        assert (picture.mode == "P") is noise


def test_names_are_no_formulas(tmp_path: Path) -> None:
    with styled():
        figure, [[ax]] = axes(height=2)
        ax.plot([1, 2], label="$\\frac{$50")
        ax.set_title("$\\frac{$50")
        legend(figure, ax)
        log_ticks(ax, 1e-6, 0.02, 3)
    save(figure, tmp_path / "plot.png")
    assert not any("$" in label.get_text() for label in ax.get_xticklabels())
    assert ax.get_xticklabels()[0].get_text() == "10⁻⁶"
