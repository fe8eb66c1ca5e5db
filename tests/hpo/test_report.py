import csv
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import create_trial
from typer.testing import CliRunner

from hpo.report import app, write_report
from hpo.reporting.document import PictureFolder
from hpo.results.metrics import Metrics
from hpo.study.errors import StudyError
from hpo.study.files import load
from hpo.study.open import open_finished
from hpo.study.storage.location import StudyLocation
from hpo.terminal.commands import study_command
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


def test_every_accuracy_of_a_table_has_its_evidence(whole: tuple[str, dict, Path]) -> None:
    tables = re.findall(r"(.*)\n\n((?:^\|.*\n)+)", whole[0], re.MULTILINE)
    assert len(tables) >= 9
    for caption, table in tables:
        headings = table.splitlines()[0]
        if "published" not in table and "five background" in caption:
            assert "ours" not in table
        elif "accuracy" in headings or "| error" in headings or "runs" in headings:
            assert "95 % interval" in headings
            assert "evidence" in headings or "seeds" in headings or "1 seed each" in caption
    assert "not given" not in whole[0]


def test_the_comparison_is_kept_by_the_command_that_rebuilds_it(
    whole: tuple[str, dict, Path],
) -> None:
    (line,) = re.findall(r"^.*report --study.*$", whole[0], re.MULTILINE)
    assert line.endswith(" --compare again --compare tree-0 --compare tree-1")
    for name in ("smoke, again", "tree-0, tree-1"):
        assert f"| {name} (" in whole[0]


def test_verdict_and_winner_are_seen_at_once(whole: tuple[str, dict, Path], browser: Any) -> None:
    device = {"deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 1280, "height": 900, **device}
    )
    browser.get((whole[2] / "report.html").as_uri())
    bottoms = browser.execute_script(
        "return ['blockquote', 'body > div'].map("
        "what => document.querySelector(what).getBoundingClientRect().bottom)"
    )
    assert 0 < bottoms[0] < bottoms[1] < 900
    assert browser.execute_script("return scrollY") == 0


@pytest.mark.parametrize("width", [400, 800, 1280])
def test_the_page_is_never_wider_than_the_window(
    whole: tuple[str, dict, Path], browser: Any, width: int
) -> None:
    device = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    browser.get((whole[2] / "report.html").as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    wide = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert browser.execute_script(wide) == [width, width]
    # No table is cut, so that its interval would be out of sight.
    cut = "return [...document.querySelectorAll('table')].filter(t => t.scrollWidth > t.clientWidth"
    cut += " || t.getBoundingClientRect().right > innerWidth).map(t => t.innerText)"
    assert browser.execute_script(cut) == []


def test_print_shows_what_is_folded(whole: tuple[str, dict, Path], browser: Any) -> None:
    browser.get((whole[2] / "report.html").as_uri())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return [...document.querySelectorAll('details img')].every(i => i.checkVisibility("
    shown += "{contentVisibilityAuto: true}) && i.getBoundingClientRect().height > 50)"
    from selenium.webdriver.support.wait import WebDriverWait

    wait = WebDriverWait(browser, 20)  # a busy browser applies another medium late
    wait.until(lambda it: it.execute_script(shown))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    wait.until_not(lambda it: it.execute_script(shown))


def test_what_is_taken_away_lies_beside_the_page(whole: tuple[str, dict, Path]) -> None:
    markdown, _, folder = whole
    page = (folder / "report.html").read_text()
    for name in ("trials.csv", "best.toml", "smoke-narrowed.toml"):
        assert f"- [{name}]({name}): " in markdown
        assert f'<a href="{name}">{name}</a>' in page
    study = open_finished(StudyLocation("smoke", folder.parents[1]))
    rows = list(csv.DictReader((folder / "trials.csv").open(newline="")))
    assert [int(row["number"]) for row in rows] == list(range(len(study.trials)))
    # What is suggested works from any folder.
    assert f"with `--from {folder.absolute() / 'best.toml'}`" in markdown
    # Trial 7 is what the final fit chose.
    text = (folder / "best.toml").read_text()
    (start,) = tomllib.loads(text)["start"]
    assert start.items() >= study.trials[7].params.items()
    assert text.startswith("# Trial 7 of smoke, ")
    mine = folder / "mine.toml"
    mine.write_text('base = "smoke"\n' + text)
    assert load(str(mine)).space().initial_configurations == (study.trials[7].params,)
    assert load(str(folder / "smoke-narrowed.toml")).description.startswith("smoke narrowed to ")


def test_every_interval_says_what_it_is_over(whole: tuple[str, dict, Path]) -> None:
    said = 0
    for block in whole[0].split("\n\n"):
        if "95 % interval" in block and not block.startswith("|"):
            assert " over " in block, block
            said += 1
    tables = re.findall(r"(.*)\n\n(\|.*95 % interval.*)", whole[0])
    for caption, headings in tables:
        assert "ntervals over " in caption, headings
    assert said > 6
    assert len(tables) >= 7
    for scope in ("alphabets in general", "these 10 alphabets", "these ten digits"):
        assert scope in whole[0]


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ("", "The study has no trials yet."),
        ("C", "Importances need 10 complete trials; there are 1 so far."),
        ("R", "No trial is complete yet"),
    ],
)
def test_a_study_of_any_state_has_a_report(tmp_path: Path, states: str, says: str) -> None:
    location = StudyLocation("smoke", tmp_path)
    fake_study(location, states, base="smoke")
    folder = write_report(location)
    markdown = checked(folder)
    assert says in markdown
    assert (folder / "trials.csv").exists() == ("trials.csv" in markdown) == bool(states)
    assert (folder / "best.toml").exists() == ("best.toml" in markdown) == (states == "C")
    fit = study_command("fit", location, anywhere=True)
    assert (f"{fit}\n" in markdown) == (states == "C")
    assert (f"{fit} --trial 0\n" in markdown) == bool(states)
    assert f"{study_command('run', location, anywhere=True)}\n" in markdown


def test_another_storage_by_the_command(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    for name in ("one", "two"):
        fake_study(StudyLocation(name, tmp_path / "out", url), "", base="smoke")
    options = ["--study", "one", "--compare", "two", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*options, "--storage", url])
    assert done.exit_code == 0, done.output
    assert "as they have no complete trial: one, two" in checked(
        tmp_path / "out" / "one" / "report"
    )


def test_a_study_of_the_longest_name_has_a_report(tmp_path: Path) -> None:
    location = StudyLocation(255 * "a", tmp_path)
    fake_study(location, "CCCCCC", base="smoke")
    assert (write_report(location) / f"{200 * 'a'}-narrowed.toml").exists()


def test_no_study_is_compared_with_itself(tmp_path: Path) -> None:
    locations = [StudyLocation(name, tmp_path) for name in ("smoke", "other")]
    for location in locations:
        fake_study(location, "C", base="smoke")
    one, other = locations
    for others in ([one], [other, other]):
        with pytest.raises(StudyError, match="cannot be compared with itself"):
            write_report(one, others)


def test_two_at_once_do_not_sweep_each_other_s_pictures_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = StudyLocation("smoke", tmp_path)
    fake_study(location, "CC", base="smoke")
    sweep, told = PictureFolder.sweep, []

    def second(self: PictureFolder) -> None:
        if not told:
            with pytest.raises(StudyError, match="is being written by process") as caught:
                write_report(location)
            told.append(caught.value)
        sweep(self)

    monkeypatch.setattr(PictureFolder, "sweep", second)
    write_report(location)
    assert told


def test_a_missing_study_is_one_message(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--study", "none", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "there is no study none" in done.output
    assert not (tmp_path / "none").exists()


def test_a_damaged_fit_or_gallery_is_left_out(tmp_path: Path) -> None:
    location = StudyLocation("smoke", tmp_path)
    fake_study(location, "", base="smoke")
    fake_fit(location, "final", trial=3)
    (location.folder / "final" / "gallery.npz").write_bytes(b"broken")
    (location.folder / "final" / "model.safetensors").unlink()
    (location.folder / "final" / "metrics.json").write_text("{}")
    markdown = checked(write_report(location))
    assert "No trial is complete yet" in markdown
    assert "Gallery" not in markdown


def test_a_study_that_was_made_elsewhere_is_reported_with_what_is_known(tmp_path: Path) -> None:
    location = StudyLocation("other", tmp_path)
    location.make_folder()
    study = optuna.create_study(study_name="other", storage=location.url, direction="maximize")
    rate = optuna.distributions.FloatDistribution(0, 1)
    for value in (0.2, 0.6):
        params = {"conv1.learning_rate": value}
        distributions = {"conv1.learning_rate": rate}
        study.add_trial(create_trial(params=params, distributions=distributions, value=value))
    markdown = checked(write_report(location))
    assert "None" not in markdown
    assert "The winner: trial 1" in markdown
    assert "as in the paper" not in markdown
    assert not re.search(r"<details>\n<summary>.*</summary>\n*</details>", markdown)
    assert not re.search(r"^\| :--.*\|\n\n", markdown, re.MULTILINE), "a table without rows"
