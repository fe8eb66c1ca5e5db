import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from hpo.reporting.card import CARD, card, write_card
from hpo.reporting.document import markdown
from hpo.results.accuracy import ENSEMBLE, NET
from hpo.results.metrics import Metrics
from hpo.study.storage.location import StudyLocation
from model.net.export import export_onnx
from model.net.saved import SavedNet, save_net
from model.net.siamese import SiameseNet
from tests.hpo.report_support import fake_fit
from tests.model.support import TINY


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    return fake_fit(StudyLocation("smoke", tmp_path), "final", trial=3)


def said(metrics: Metrics) -> str:
    return markdown(card(metrics, "final"))


def test_every_figure_of_the_net_has_its_interval(metrics: Metrics) -> None:
    text = said(metrics)
    for figure in metrics.figures:
        if figure.system == NET and figure.alphabet is None:
            row = f"{100 * figure.mean:.1f} % | {100 * figure.low:.1f} to {100 * figure.high:.1f} %"
            assert f" | {row} | {figure.scope} | {figure.trials:,} | " in text
    assert "people 95.5 %, Koch's net 92.0 %" in text
    assert "20-way, without ULOG |" in text


def test_split_limits_and_rates_are_those_of_the_metrics(metrics: Metrics) -> None:
    text = said(metrics)
    assert "Split: Koch's, as in the paper." in text
    assert "Learnt from Omniglot" in text
    assert "4.2 % of different validation pairs are accepted and 6.8 % of same ones" in text
    assert "from 0.5 on they count as the same character" in text
    lake = said(metrics.model_copy(update={"validation": "lake"}))
    assert "Split: Lake's." in lake
    odd = {"name": "my `odd` letters", "digest": "0" * 64, "source": "folder"}
    assert "Data: ``my `odd` letters``, digest" in said(metrics.model_copy(update={"data": odd}))
    own = {"name": "my letters", "digest": "0" * 64, "source": "folder"}
    letters = said(metrics.model_copy(update={"data": own}))
    assert "Learnt from the images of `my letters` alone." in letters
    assert "Omniglot" not in letters
    assert "Koch's net" not in letters


def test_what_an_earlier_version_did_not_know_is_not_made_up(metrics: Metrics) -> None:
    unknown = {"calibration": None, "false_accept": None, "false_reject": None}
    seeds = [
        one.model_copy(update={**unknown, "verification_threshold": 0.25}) for one in metrics.seeds
    ]
    text = said(metrics.model_copy(update={"seeds": seeds}))
    assert "false accepts and rejects are not known" in text
    assert "from 0.25 on they count as the same character" in text


def test_a_collapse_and_uncommitted_code_are_said(metrics: Metrics) -> None:
    seeds = [metrics.seeds[0].model_copy(update={"collapsed": True}), *metrics.seeds[1:]]
    text = said(metrics.model_copy(update={"seeds": seeds, "versions": {"revision": "abc+"}}))
    assert "1 of 3 seeds collapsed." in text
    assert "From uncommitted code" in text
    assert "uncommitted" not in said(metrics)


def test_seeds_and_time_are_told_as_they_are(metrics: Metrics) -> None:
    text = said(metrics.model_copy(update={"minutes": 0.01}))
    assert "means of 3 fits with different seeds, of which the weights here are those of seed " in (
        text
    )
    assert "0.6 s in all, on " in text
    alone = metrics.model_copy(update={"seeds": metrics.seeds[:1]})
    assert f"after everything else; of one fit, with seed {metrics.kept_seed}." in said(alone)
    assert "different seeds" not in said(alone)


def test_an_ensemble_has_a_column_and_a_section(tmp_path: Path) -> None:
    metrics = fake_fit(StudyLocation("other", tmp_path), "final", trial=3, ensemble=True)
    text = said(metrics)
    for figure in metrics.figures:
        if figure.system == ENSEMBLE and figure.alphabet is None:
            span = f"{100 * figure.low:.1f} to {100 * figure.high:.1f} %"
            assert f" | {figure.trials:,} | {100 * figure.mean:.1f} % ({span}) | " in text
    assert "`ensemble` holds the nets of seeds 11, 12, 13." in text
    assert "1.2 % of different ones are accepted and 3.8 % of same ones rejected" in text
    assert "seed 11 alone is asked with `Classifier(..., single=True)`, or `--single`" in text
    assert "final/ensemble.onnx" in text
    large = said(metrics.model_copy(update={"net_parameters": 300_000_000}))
    assert "there is none of the ensemble, which is too large for one" in large
    assert "ensemble.onnx" not in large
    assert "nsemble" not in said(metrics.model_copy(update={"ensemble": None}))


def test_a_card_is_written_once(metrics: Metrics, tmp_path: Path) -> None:
    folder = tmp_path / "smoke" / "final"
    write_card(metrics, folder)
    before = (folder / CARD).stat().st_mtime_ns
    write_card(metrics, folder)
    assert (folder / CARD).stat().st_mtime_ns == before
    (folder / CARD).write_text("of an earlier fit")
    write_card(metrics, folder)
    assert (folder / CARD).read_text() == said(metrics)


def test_both_ways_of_loading_work_as_printed(
    metrics: Metrics,
    real_onnx: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "smoke" / "final"
    net = SiameseNet(replace(TINY, image_size=metrics.image_size)).eval()
    save_net(folder, SavedNet(net=net))
    export_onnx(net, folder / "siamese.onnx")
    monkeypatch.chdir(folder.parent)
    Path("letters").mkdir()
    for i, name in enumerate(("letters/a.png", "letters/b.png", "unknown.png", "a.png", "b.png")):
        picture = Image.new("L", (60, 60), 255)
        ImageDraw.Draw(picture).line((10, 10 + 6 * i, 50, 50 - 9 * i), 0, 4)
        picture.save(name)
    ours, alone = re.findall(r"^```python\n(.*?)^```", said(metrics), re.DOTALL | re.MULTILINE)
    exec(compile(ours, CARD, "exec"), {})
    answers = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert sorted(name for name, _ in answers) == ["a", "b"]
    assert all(0 <= float(similarity) <= 1 for _, similarity in answers)
    assert "hpo" not in alone
    assert "model" not in alone
    pytest.importorskip("onnxruntime")
    exec(compile(alone, CARD, "exec"), {})
    (similarity,) = re.findall(r"[\d.]+", capsys.readouterr().out)
    assert 0 <= float(similarity) <= 1
