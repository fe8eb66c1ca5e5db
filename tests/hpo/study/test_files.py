from pathlib import Path

import pytest

from hpo.study.errors import ConfigError
from hpo.study.files import MOST_BASES, load

STUDIES = ("beyond", "beyond-105", "beyond-70", "beyond-unaided", "compact", "paper", "smoke")


def test_a_study_says_only_what_differs_from_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "smoke"\n[budget]\nepochs = 5\n[parameters]\n"fc.units" = 64\n')
    mine, smoke = load(str(path)), load("smoke")
    assert mine.name == "mine"
    mine_is, smoke_is = mine.identity(), smoke.identity()
    assert {key for key in mine_is if mine_is[key] != smoke_is[key]} == {
        "budget.epochs",
        "parameters.fc.units",
        "start.0",
    }
    assert smoke_is["start.0"].keys() - mine_is["start.0"].keys() == {"fc.units"}
    # A file as base is looked for beside the one that names it, and starts replace starts.
    further = tmp_path / "further.toml"
    further.write_text('base = "mine.toml"\nstart = []\n[search]\nseed = 3\n')
    assert load(str(further)).budget.epochs == 5
    assert load(str(further)).search.seed == 3
    assert not load(str(further)).start


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base = 3", ["base = 3", "name a study"]),
        ('base = "smok"', ["base", 'no study "smok"', 'did you mean "smoke"']),
        ('base = "gone.toml"', ["gone.toml", "cannot be read"]),
        ('base = "mine.toml"', ["mine.toml", "leads back"]),
        ('base = "../../etc/X.toml"', ["base", '"X" cannot name a study']),
        ('base = "smoke"\n[budget]\nepochs = 0', ["budget.epochs", "0"]),
        ('base = "smoke"\n[[start]]\n"net.poolings" = 2', ["start.0: net.poolings is fixed"]),
        ('bas = "smoke"', ['unknown key "bas"', 'did you mean "base"']),
    ],
)
def test_mistakes_about_a_base_are_named(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(str(path))
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_unaided_search_starts_from_the_paper_alone() -> None:
    unaided, beyond = load("beyond-unaided").identity(), load("beyond").identity()
    assert unaided == {k: v for k, v in beyond.items() if k not in ("start.1", "start.2")}


def test_unknown_study_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match='did you mean "compact"'):
        load("compct")
    with pytest.raises(ConfigError, match="cannot be read"):
        load("no/such.toml")


def test_a_file_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "smoke"\r\ndescription = "é"\r\n', encoding="utf-8-sig")
    assert load(str(path)).description == "é"
    path.write_text('base = "smoke"', encoding="utf-16")
    with pytest.raises(ConfigError, match="not a TOML file in UTF-8"):
        load(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[budget]\nteraflops = inf", "budget.teraflops = inf: it should be a finite"),
        ("[budget]\nseconds = inf", "budget.seconds = inf"),
        ("[budget]\nseconds = 1e30", "budget.seconds = 1e[+]30: it should be less"),
        ("[budget]\nseconds = nan", "budget.seconds = nan"),
        ('[parameters]\n"recipe.warp" = {low = 0, high = 1, step = inf}', "warp.step = inf"),
        ('[parameters]\n"recipe.warp" = {choices = [0, nan]}', "warp.choices.1 = nan"),
        ("[search]\ntrials = " + "9" * 5000, "too many digits"),
        ("[search]\ntrials = 0x" + "f" * 5000, "search.trials: a whole number of at most 64"),
        ("[parameters]\n" + '"net.depth" = ' + "[" * 100 + "]" * 100, "net.depth.*too deep"),
        ("x = " + "[" * 100_000, "not a TOML file"),
    ],
)
def test_numbers_are_finite_and_nesting_bounded(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'base = "smoke"\n{text}')
    with pytest.raises(ConfigError, match=words) as refused:
        load(str(path))
    assert len(str(refused.value)) < 500


def test_a_file_may_stand_on_some_others_not_on_thousands(tmp_path: Path) -> None:
    (tmp_path / "s0.toml").write_text('base = "smoke"')
    for i in range(1, 1500):
        (tmp_path / f"s{i}.toml").write_text(f'base = "s{i - 1}.toml"')
    assert load(str(tmp_path / f"s{MOST_BASES - 2}.toml")).search == load("smoke").search
    with pytest.raises(ConfigError, match=f"more than {MOST_BASES} files") as refused:
        load(str(tmp_path / "s1499.toml"))
    assert len(str(refused.value)) < 3000
