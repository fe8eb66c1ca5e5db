import io
from pathlib import Path

from rich.console import Console

from hpo.fits.result import complete, print_figures
from hpo.results.metrics import NET
from hpo.study.storage.location import StudyLocation
from model.baselines import BASELINES
from model.net.saved import SavedNet, save_net
from model.net.siamese import SiameseNet
from tests.hpo.report_support import fake_fit
from tests.hpo.support import tiny_config


def test_accuracies_are_printed_with_baselines_and_published_ones(tmp_path: Path) -> None:
    metrics = fake_fit(StudyLocation("smoke", tmp_path), "final", trial=3)
    output = io.StringIO()
    print_figures(Console(file=output, width=120), metrics)
    said = output.getvalue()
    for baseline in BASELINES.values():
        assert said.count(baseline.title) == 8
    for figure in metrics.figures:
        if figure.system == NET and figure.alphabet is None:
            assert f"{100 * figure.mean:.1f}" in said
            assert f"[{100 * figure.low:.1f}, {100 * figure.high:.1f}]" in said
    assert "Koch et al. 2015" in said
    assert "without ULOG" in said
    scopes = "95 % intervals over alphabets at large: official_runs, verification, 2-way"
    assert scopes in " ".join(said.split())
    assert "; these ten digits: mnist." in " ".join(said.split())


def test_a_folder_is_complete_for_its_own_fit_alone(tmp_path: Path) -> None:
    metrics = fake_fit(StudyLocation("smoke", tmp_path), "final", trial=3)
    folder = tmp_path / "smoke" / "final"
    assert complete(folder, "abc") is None
    space = tiny_config().space()
    net = SiameseNet(space.hyperparameters(space.initial_configurations[0]).architecture)
    save_net(folder, SavedNet(net=net, threshold=0.5, provenance={"fit": "abc"}))
    assert complete(folder, "abc") == metrics
    assert complete(folder, "other") is None
    (folder / "metrics.json").unlink()
    assert complete(folder, "abc") is None
