import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hpo.reporting.accuracy import accuracy, net_gallery, published_results
from hpo.results.fits import SavedFit, find_fits
from hpo.results.metrics import GALLERY
from hpo.study.storage.location import StudyLocation
from model.baselines import BASELINES
from tests.hpo.report_support import ALPHABETS, fake_fit
from tests.hpo.reporting.support import KeptPictures, prose


@pytest.fixture
def location(tmp_path: Path) -> StudyLocation:
    location = StudyLocation("smoke", tmp_path)
    fake_fit(location, "final", trial=0)
    return location


@pytest.fixture
def fits(location: StudyLocation) -> list[SavedFit]:
    return find_fits(location)


def test_accuracy_is_plotted_against_n_and_per_alphabet(fits: list[SavedFit]) -> None:
    pictures = KeptPictures()
    said = prose(accuracy(fits, pictures))
    assert set(pictures.figures) == {"n-way", "alphabets"}
    assert [ax.get_title() for ax in pictures.figures["alphabets"].axes] == [
        f"{n}-way" for n in (2, 5, 10, 15, 20)
    ]
    titles = [baseline.title for baseline in BASELINES.values()]
    for name in pictures.figures:
        assert set(pictures.legend(name)) >= {fits[0].label, *titles}
    assert "4,000 trials at each N, 3 seeds" in said
    assert "Left out of 15-way, as they have fewer than 15 characters: ULOG." in said


def test_an_ensemble_is_a_line_of_every_plot(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    fake_fit(location, "final", trial=0, ensemble=True)
    fits, pictures = find_fits(location), KeptPictures()
    said = prose(accuracy(fits, pictures))
    for name in ("n-way", "alphabets"):
        ours = [one for one in pictures.legend(name) if one.startswith("ours")]
        assert ours == [fits[0].label, f"{fits[0].label}, ensemble of 3"]
    assert "ensemble of 3: 4,000 trials at each N, 1 ensemble" in said


def test_without_a_fit_there_are_published_results_alone() -> None:
    pictures = KeptPictures()
    assert accuracy([], pictures) == net_gallery([], pictures) == []
    assert "only published results" in prose(published_results([], {}, {}))
    assert not pictures.figures


def test_a_frame_that_is_called_red_is_red(fits: list[SavedFit]) -> None:
    pictures = KeptPictures()
    assert "dashed red frame" in prose(net_gallery(fits, pictures))
    shown = pictures.figures["one-shot-trials"].axes
    frames = [patch for ax in shown for patch in ax.patches if patch.get_linewidth() > 2]
    dashed = [frame.get_edgecolor() for frame in frames if frame.get_linestyle() != "-"]
    assert len(dashed) == 3
    for red, green, blue, _ in dashed:
        assert red > 0.7
        assert green == blue == 0


def test_a_protocol_without_a_test_is_named(fits: list[SavedFit]) -> None:
    metrics = fits[0].metrics
    left = [one for one in metrics.figures if one.protocol != "mnist"]
    fit = SavedFit("ours", fits[0].folder, metrics.model_copy(update={"figures": left}))
    assert "not tested on MNIST" in prose(published_results([fit], {}, metrics.data))
    assert "not tested on" not in prose(published_results(fits, {}, metrics.data))


def test_the_gallery_shows_trials_confusions_and_filters(fits: list[SavedFit]) -> None:
    pictures = KeptPictures()
    said = prose(net_gallery(fits, pictures))
    assert set(pictures.figures) == {"one-shot-trials", "confusions", "conv1-filters"}
    assert "64 kernels of 5 x 5 pixels" in said
    shown = pictures.figures["one-shot-trials"].axes
    assert [ax.get_title(loc="left").rpartition(": ")[2] for ax in shown].count("wrong") == 3
    assert len(ALPHABETS) == 10


def test_a_damaged_gallery_is_reported(fits: list[SavedFit]) -> None:
    (fits[0].folder / GALLERY).write_bytes(b"broken")
    (fits[0].folder / "model.safetensors").unlink()
    pictures = KeptPictures()
    said = prose(net_gallery(fits, pictures))
    assert said.count("missing or damaged") == 2
    assert not pictures.figures


def test_every_damage_to_a_gallery_is_reported(fits: list[SavedFit]) -> None:
    """Cut off, flipped, of another shape or type, too few drawings, pickled."""
    file = fits[0].folder / GALLERY
    good = file.read_bytes()
    damaged = [good[:cut] for cut in range(0, len(good), len(good) // 12)]
    for place in range(0, len(good), len(good) // 12):
        damaged.append(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
    for ink in (
        np.zeros((500, 8), np.uint8),
        np.zeros((500, 8, 8), np.float32),
        np.zeros((2, 8, 8), np.uint8),
        np.array([None]),
    ):
        buffer = io.BytesIO()
        np.savez_compressed(buffer, ink=ink)
        damaged.append(buffer.getvalue())
    missing = 0
    for content in damaged:
        file.write_bytes(content)
        pictures = KeptPictures()
        said = prose(net_gallery(fits, pictures))
        assert ("missing or damaged" in said) == ("confusions" not in pictures.figures)
        missing += "missing or damaged" in said
    assert missing > 0.7 * len(damaged)  # a few bytes of a zip say nothing


@pytest.mark.parametrize(
    "change", [{"query": -1}, {"query": 10**6}, {"answer": 99}, {"scores": []}]
)
def test_a_gallery_that_points_nowhere_is_reported(
    fits: list[SavedFit], change: dict[str, Any]
) -> None:
    shown = fits[0].metrics.gallery
    trials = [shown.trials[0].model_copy(update=change), *shown.trials[1:]]
    metrics = fits[0].metrics.model_copy(
        update={"gallery": shown.model_copy(update={"trials": trials})}
    )
    fit = SavedFit("ours", fits[0].folder, metrics)
    assert "missing or damaged" in prose(net_gallery([fit], KeptPictures()))


@pytest.mark.parametrize("weights", [torch.ones(3), torch.full((2, 1, 3, 3), torch.nan)])
def test_weights_that_are_none_are_reported(fits: list[SavedFit], weights: torch.Tensor) -> None:
    save_file({"convolutions.0.weight": weights}, fits[0].folder / "model.safetensors")
    said = prose(net_gallery(fits, KeptPictures()))
    assert "`model.safetensors`, are missing or damaged" in said
