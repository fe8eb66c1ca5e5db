from matplotlib.figure import Figure

from hpo.results.metrics import NET, Accuracy
from hpo.results.plots.n_way import against_way, by_alphabet


def accuracy(way: int, mean: float, alphabet: str | None = None) -> Accuracy:
    which = {"protocol": "n_way", "system": NET, "title": "", "way": way, "chance": 1 / way}
    return Accuracy.of([mean], trials=100, alphabet=alphabet, **which)


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def test_every_system_has_its_line_against_n() -> None:
    points = [accuracy(2, 0.9), accuracy(20, 0.6)]
    nets = {f"net {i}": points for i in range(9)}
    baselines = {f"baseline {i}": points for i in range(5)}
    figure = against_way(nets, baselines, ("published", {3: 0.8}))
    assert labels(figure) == [*nets, *baselines, "published", "chance, 1/N"]
    (ax,) = figure.axes
    assert list(ax.get_xticks()) == [2, 20]
    assert ax.get_xlabel().endswith("95 % intervals over these alphabets")


def test_without_comparable_results_only_ours_are_drawn() -> None:
    figure = against_way({"net": [accuracy(2, 0.9)]}, {}, None)
    assert labels(figure) == ["net", "chance, 1/N"]


def test_every_system_is_shown_per_alphabet() -> None:
    scores = [accuracy(5, 0.8), accuracy(5, 0.9, "Ge_ez"), accuracy(5, 0.7, "ULOG")]
    # An alphabet may have too few characters for the larger N.
    larger = [accuracy(20, 0.6), accuracy(20, 0.5, "Ge_ez")]
    # A baseline may lack alphabets, and has none that the nets lack.
    baselines = {"few": [scores[0]], "all": [*scores, accuracy(5, 0.1, "unknown")]}
    figure = by_alphabet({f"net {i}": [*scores, *larger] for i in range(6)}, baselines)
    assert labels(figure) == [*(f"net {i}" for i in range(6)), "few", "all", "chance, 1/N"]
    five, twenty = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ["5-way", "20-way"]
    assert [name.get_text() for name in five.get_yticklabels()] == ["all together", "Ge ez", "ULOG"]
    assert [len(ax.containers) for ax in figure.axes] == [6, 6]
    assert [text.get_text() for text in twenty.texts] == ["60", "50"]
    assert twenty.get_xlabel().endswith("over these alphabets or this alphabet")
    points = {line.get_label(): len(line.get_xdata()) for line in five.lines}  # type: ignore[arg-type]
    assert (points["few"], points["all"]) == (1, 3)


def test_no_legend_covers_the_text_of_an_axis() -> None:
    scores = [accuracy(way, 0.5, name) for way in (2, 20) for name in (None, "ULOG")]
    figure = by_alphabet({"net": scores}, {})
    figure.draw_without_rendering()
    (legend,) = figure.legends
    for ax in figure.axes:
        assert not legend.get_window_extent().overlaps(ax.get_tightbbox())  # type: ignore[arg-type]
    assert not figure.get_supxlabel()
