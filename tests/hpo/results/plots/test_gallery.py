import numpy as np

from hpo.results.metrics import Confusion, GalleryTrial
from hpo.results.plots.gallery import confusions, filters, trials

INK = np.zeros((12, 8, 8), np.uint8)


def trial(chosen: int) -> GalleryTrial:
    scores = [0.1 * i for i in range(5)]
    return GalleryTrial(
        alphabet="Ge_ez", query=0, support=[1, 2, 3, 4, 5], answer=2, chosen=chosen, scores=scores
    )


def test_each_trial_says_whether_the_net_was_right() -> None:
    figure = trials([trial(2), trial(4)], INK)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["Ge ez, 5-way: right", "Ge ez, 5-way: wrong"]
    right, wrong = ({text.get_text() for text in ax.texts} for ax in figure.axes)
    assert {"0.20\n✓ chosen", "query"} <= right
    assert {"0.20\ncorrect", "0.40\n✗ chosen"} <= wrong


def test_confusions_have_their_counts() -> None:
    pair = Confusion(
        alphabet="Ge_ez",
        asked="Ge_ez/character01",
        answered="Ge_ez/character02",
        count=3,
        offered=9,
        asked_drawing=0,
        answered_drawing=1,
    )
    figure = confusions([pair] * 5, INK)
    said = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert said.count("character01 → character02\n3 of 9") == 5


def test_every_filter_is_shown_even_of_a_net_of_zeros() -> None:
    for weights in (np.ones((18, 3, 3)), np.zeros((2, 10, 10))):
        image = filters(weights).axes[0].images[0].get_array()
        assert image is not None
        assert np.isfinite(image).sum() == weights.size
