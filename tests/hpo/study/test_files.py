from pathlib import Path

import pytest

from hpo.study.errors import ConfigError
from hpo.study.files import load

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
