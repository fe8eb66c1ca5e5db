import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from optuna.distributions import IntDistribution
from typer.testing import CliRunner

from hpo.report import app, write_report
from hpo.reporting import tables
from hpo.reporting.ends import at_an_end
from hpo.results import published
from hpo.results.fits import find_fits
from hpo.results.history import Curve, at, band, curve
from hpo.results.metrics import Metrics
from hpo.results.trials import rows
from hpo.study.open import open_finished
from hpo.study.storage.location import StudyLocation
from tests.hpo.report_support import fake_fit, fake_study

SMALL_PNG = 400_000


class Sources(HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("src", "srcset", "data") or (name == "href" and tag != "a"):
                self.found.append(value or "")


def checked(folder: Path) -> str:
    """Return the Markdown of a report that is whole and stands by itself."""
    markdown = (folder / "report.md").read_text()
    page = (folder / "report.html").read_text()
    images = re.findall(r"!\[[^\n]*?\]\(([^)]+)\)", markdown)
    assert sorted(images) == sorted(path.name for path in folder.glob("*.png"))
    assert all(0 < (folder / image).stat().st_size < SMALL_PNG for image in images)
    sources = Sources()
    sources.feed(page)
    assert len(sources.found) == len(images)
    assert all(source.startswith("data:image/png;base64,") for source in sources.found)
    assert "<script" not in page
    assert "@import" not in page
    assert "url(" not in page
    assert "nan" not in re.findall(r"\b\w+\b", markdown)
    return markdown


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[int, Metrics], Path]:
    """A report of a running study with two final fits, compared with studies of two samplers."""
    out = tmp_path_factory.mktemp("studies")
    location = StudyLocation("smoke", out)
    fake_study(location, "CPCFCPCCFDCCCCCCR", base="smoke")
    others = [
        StudyLocation("again", out),
        StudyLocation("tree-0", out),
        StudyLocation("tree-1", out),
    ]
    fake_study(others[0], "CCCC", base="smoke", seed=1)
    for seed, other in enumerate(others[1:]):
        fake_study(other, "CPC", base="smoke", sampler="tpe", seed=seed)
    metrics = {
        7: fake_fit(location, "final", trial=7),
        0: fake_fit(location, "final-trial-0", trial=0, level=0.6),
    }
    stale = location.folder / "report" / "of-an-earlier-report.png"
    stale.parent.mkdir()
    stale.write_bytes(b"")
    before = open_finished(location).get_trials()
    folder = write_report(location, others)
    assert open_finished(location).get_trials() == before
    assert not stale.exists()
    return checked(folder), metrics, folder


def cells(markdown: str, *initial_configurations: str) -> list[list[str]]:
    """Return the cells of the table rows that begin with these cells."""
    lines = [line.strip("|").split(" | ") for line in markdown.splitlines() if line[:1] == "|"]
    table = [[cell.strip() for cell in line] for line in lines]
    return [
        row for row in table if tuple(row[: len(initial_configurations)]) == initial_configurations
    ]


def test_published_figures_stand_exactly(whole: tuple[str, dict, Path]) -> None:
    markdown = whole[0]
    paper = "Koch, Zemel and Salakhutdinov (2015)"
    for pairs, plain, distorted in (
        ("30k", "90.61 %", "91.90 %"),
        ("90k", "91.54 %", "93.15 %"),
        ("150k", "91.63 %", "93.42 %"),
    ):
        assert [row[3] for row in cells(markdown, paper, pairs)] == [plain, distorted]
    one_shot = dict(published.ONE_SHOT)
    assert one_shot["Koch's net"] == 92.0
    for name, accuracy in published.ONE_SHOT:
        assert f"{accuracy} %" in [row[1] for row in cells(markdown, name)]
    assert cells(markdown, "Koch's net, published")[0][1] == "70.3 %"
    assert cells(markdown, "1-NN, published")[0][1] == "26.5 %"
    for name, error in (*published.ERRORS, *published.ERRORS_SMALL):
        assert f"{error} %" in [row[1] for row in cells(markdown, name)]
    for way, accuracy in ((2, 97.4), (5, 88.6), (10, 83.7), (15, 77.2), (20, 70.8)):
        row = cells(markdown, "a README implementation, published", f"{way} (really {way + 1})")
        assert row[0][2] == f"{accuracy} %"


def test_our_figures_are_those_of_the_fit_with_their_evidence(
    whole: tuple[str, dict[int, Metrics], Path],
) -> None:
    markdown, metrics, _ = whole
    for label, fit in (
        ("ours, best configuration (trial 7)", metrics[7]),
        ("ours, paper's configuration (trial 0)", metrics[0]),
    ):
        for protocol, trials in (("official_runs", "400"), ("mnist", "400")):
            figure = fit.find(protocol)  # type: ignore[arg-type]
            assert figure is not None
            wanted = [
                label,
                f"{100 * figure.mean:.1f} %",
                f"{100 * figure.low:.1f} to {100 * figure.high:.1f} %",
                trials,
                "3",
            ]
            assert wanted in cells(markdown, label)
        for way in fit.ways():
            figure = fit.find("n_way", way=way)
            assert figure is not None
            assert cells(markdown, label, str(way))[0][2] == f"{100 * figure.mean:.1f} %"


def test_errors_at_the_threshold_stand_by_seed(whole: tuple[str, dict, Path]) -> None:
    label = "ours, best configuration (trial 7)"
    for seed in ("11", "12", "13"):
        assert [label, seed, "4.2 %", "6.8 %"] in cells(whole[0], label, seed)
    assert not tables.error_rates([]).rows


def test_every_accuracy_of_a_table_has_its_evidence(whole: tuple[str, dict, Path]) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", whole[0], re.MULTILINE)
    assert len(tables) >= 9
    for table in tables:
        headings = table.splitlines()[0]
        if "accuracy" in headings or "error" in headings or "runs" in headings:
            assert "95 % interval" in headings
            assert "seeds" in headings


def test_failures_and_prunings_are_told(whole: tuple[str, dict, Path]) -> None:
    markdown = whole[0]
    assert "17 trials: 11 complete, 2 pruned, 3 failed, 1 running." in markdown
    assert cells(markdown, "ValueError: the loss is not finite")
    assert "can't allocate memory" in markdown
    assert r"\<b\>" in markdown
    assert "<b>" not in (whole[2] / "report.html").read_text()
    assert "its process died or was stopped" in markdown
    assert "pruned after epoch" in markdown


def test_studies_that_differ_by_seed_alone_are_one_group(whole: tuple[str, dict, Path]) -> None:
    rows_of_random = cells(whole[0], "random")
    rows_of_tpe = cells(whole[0], "tpe")
    assert [row[5] for row in rows_of_random] == ["2", "2", "2"]
    assert [row[5] for row in rows_of_tpe] == ["2", "2", "2"]
    assert rows_of_random[0][1] == "3 trials"


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ("", "The study has no trials yet."),
        ("C", "Importances need 10 complete trials; there are 1 so far."),
        ("FF", "No trial is complete yet"),
        ("R", "No trial is complete yet"),
    ],
)
def test_a_study_of_any_state_has_a_report(tmp_path: Path, states: str, says: str) -> None:
    location = StudyLocation("smoke", tmp_path)
    fake_study(location, states, base="smoke")
    markdown = checked(write_report(location))
    assert says in markdown
    command = f"python -m hpo.final_fit --study smoke --out {tmp_path}"
    assert f"{command}\n" in markdown
    assert f"{command} --trial 0\n" in markdown


def test_another_storage_by_the_command(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    for name in ("one", "two"):
        fake_study(StudyLocation(name, tmp_path / "out", url), "", base="smoke")
    options = ["--study", "one", "--compare", "two", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*options, "--storage", url])
    assert done.exit_code == 0, done.output
    assert "left out: one, two" in checked(tmp_path / "out" / "one" / "report")


def test_a_missing_study_is_one_message(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--study", "none", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "there is no study none" in done.output
    assert not (tmp_path / "none").exists()


def test_a_fit_that_learnt_from_less_stands_with_its_like(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    fake_study(location, "CC", base="smoke")
    fake_fit(location, "final", trial=1)
    fake_fit(location, "final-small1", trial=1, level=0.6, data="omniglot-small1")
    checked(write_report(location))
    fake_fit(location, "final-trial-0-small1", trial=0, level=0.5, data="omniglot-small1")
    assert "The paper's configuration, trial 0, has no final fit yet" in checked(
        write_report(location)
    )
    many, few = tables.errors(find_fits(location)[:2])
    assert "all 30" in many.caption
    assert "five" in few.caption
    of_many, of_few = ({row[0] for row in table.rows if "ours" in row[0]} for table in (many, few))
    assert of_many == {"ours, best configuration (trial 1)"}
    assert of_few == {"ours, best configuration (trial 1, small1 alone)"}


def test_a_damaged_fit_or_gallery_is_left_out(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    fake_study(location, "", base="smoke")
    fake_fit(location, "final", trial=3)
    (location.folder / "final" / "gallery.npz").write_bytes(b"broken")
    (location.folder / "final" / "model.safetensors").unlink()
    (location.folder / "final" / "metrics.json").write_text("{}")
    markdown = checked(write_report(location))
    assert "The best configuration has no final fit yet" in markdown


def test_cost_of_a_trial_is_known_from_the_database_alone(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    study = fake_study(location, "CPFD", base="smoke")
    found = rows(study)
    assert all(row.flops_per_pair for row in found)
    complete, pruned, failed, died = found
    assert complete.flops == complete.flops_per_pair * complete.pairs  # type: ignore[operator]
    assert pruned.epochs in (1, 2)
    assert failed.failure
    assert died.seconds == 0
    line = curve(found)
    assert line is not None
    assert line.trials == (1, 2)
    assert line.best == (complete.accuracy, complete.accuracy)


ENDS = {
    "conv1.filters": [64] * 5,  # 16 to 64
    "fc.l2": [1.1e-6] * 5,  # 1e-6 to 1e-1, log
    "conv2.filters": [128, 128, 112, 128, 128],  # not all
    "conv2.l2": [1e-2] * 5,  # far from 1e-1 on its scale, nor near its lower end
    "conv3.kernel_size": [3] * 5,  # 2 to 3, of which each is an end
    "fc.momentum": [0.99] * 5,  # beyond which no study may search
}


def test_ranges_that_the_best_leave_at_an_end_are_told(tmp_path: Path) -> None:
    location = StudyLocation("compact", tmp_path)
    study = fake_study(location, "CCCCCC")
    middle = {
        name: drawn.low + drawn.step * ((drawn.high - drawn.low) // drawn.step // 2)
        if isinstance(drawn, IntDistribution)
        else 0.05
        for name, drawn in study.trials[0].distributions.items()
    }
    for i in range(5):
        trial = study.trials[i]
        trial.value = 1
        trial.params = middle | {name: values[i] for name, values in ENDS.items()}
        study.add_trial(trial)
    markdown = checked(write_report(location))
    assert cells(markdown, "conv1.filters") == [["conv1.filters", "16 to 64", "highest", "64"]]
    assert cells(markdown, "fc.l2") == [["fc.l2", "1e-06 to 0.1", "lowest", "1.1e-06"]]
    assert len(re.findall("(low|high)est", markdown)) == 2
    assert at_an_end(rows(study)) is None


def test_a_band_ends_where_the_shortest_curve_does() -> None:
    slow = Curve((1, 2, 3), (10, 20, 30), (), (0.1, 0.3, 0.4))
    fast = Curve((1, 2), (5, 15), (), (0.2, 0.2))
    x, mean, low, high = band([(c.seconds, c.best) for c in (slow, fast)])
    assert x.tolist() == [5, 10, 15]
    assert mean[1:] == pytest.approx([0.15, 0.15])
    assert (low[2], high[2]) == (0.1, 0.2)
    assert at(slow.seconds, slow.best, 29) == 0.3
