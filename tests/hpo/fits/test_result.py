import io
from pathlib import Path

from rich.console import Console

from hpo.fits.result import print_figures
from hpo.results.accuracy import ENSEMBLE, NET
from hpo.study.storage.location import StudyLocation
from model.baselines import BASELINES
from tests.hpo.report_support import fake_fit


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
    scopes = "95 % intervals over alphabets in general: official_runs, verification, 2-way"
    assert scopes in " ".join(said.split())
    assert "; these ten digits: mnist." in " ".join(said.split())


def test_an_ensemble_stands_beside_its_nets(tmp_path: Path) -> None:
    metrics = fake_fit(StudyLocation("smoke", tmp_path), "final", trial=3, ensemble=True)
    output = io.StringIO()
    print_figures(Console(file=output, width=120), metrics)
    said = output.getvalue()
    lines = [line for line in said.splitlines() if "ensemble of 3 " in line]
    whole = [one for one in metrics.figures if one.system == ENSEMBLE and one.alphabet is None]
    assert len(whole) == 8
    for figure in whole:
        cells = f"{100 * figure.mean:.1f}", f"[{100 * figure.low:.1f}, {100 * figure.high:.1f}]"
        assert any(all(cell in line for cell in cells) for line in lines)
    plain = " ".join(said.split())
    assert "(seed 11, the one kept); 1.2% and 3.8% by the ensemble of 3." in plain
