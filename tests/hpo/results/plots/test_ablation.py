from hpo.results.plots.ablation import ladder
from tests.hpo.results.test_ablation import ACCURACY, STEP


def test_every_step_has_its_name_and_accuracies() -> None:
    steps = [STEP, STEP.model_copy(update={"change": "shape"})]
    figure = ladder(steps)
    (ax,) = figure.axes
    assert [name.get_text() for name in ax.get_yticklabels()] == ["start", "+ shape"]
    (legend,) = figure.legends
    # The official runs were not at hand.
    assert [text.get_text() for text in legend.get_texts()] == [
        "test alphabets, all drawers, 20-way"
    ]
    assert list(ax.lines[0].get_xdata()) == [ACCURACY.mean] * 2  # type: ignore[arg-type]


def test_what_is_undone_stands_below_on_the_same_scale() -> None:
    steps = [STEP, STEP.model_copy(update={"change": "shape"})]
    steps += [STEP.model_copy(update={"change": "shape", "undone": True})]
    upper, lower = ladder(steps).axes
    assert [name.get_text() for name in lower.get_yticklabels()] == ["all but shape"]
    assert upper.get_xlim() == lower.get_xlim()
    assert f"over {ACCURACY.scope}" in lower.get_xlabel()
