from pathlib import Path

import pytest

from hpo.study.errors import ConfigError
from hpo.study.files import MOST_BASES, available, changed, load, setting, starts, written_start


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
        ('base = "smoke"\n[[start]]\n"net.poolings" = 1', ["start.0: net.poolings is fixed at 2"]),
        ('base = "smoke"\n[[start]]\n"net.centred" = 0', ["net.centred is fixed at false, not 0"]),
        ('bas = "smoke"', ['unknown key "bas"', 'did you mean "base"']),
    ],
)
def test_mistakes_about_a_base_are_named(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(str(path))
    assert all(word in str(refused.value) for word in words), str(refused.value)


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_pattern_beats_the_exact_names_of_the_base(tmp_path: Path) -> None:
    over = '"conv*.filters" = 32\n"*.l2" = { low = 1e-5, high = 1e-2, log = true }\n"conv2.l2" = 0'
    mine = written(tmp_path / "mine.toml", f'base = "compact"\nstart = []\n[parameters]\n{over}')
    found = load(mine).space()
    assert {found.fixed_value(f"conv{i}.filters") for i in (1, 2, 3, 4)} == {32}
    assert found.fixed_value("conv2.l2") == 0
    assert all(found.searched[f"{one}.l2"].ends() == (1e-5, 1e-2) for one in ("conv1", "output"))
    # A narrower pattern, too, stands over a wider one of the base.
    over = '"conv*.momentum" = 0.5'
    mine = written(tmp_path / "mine.toml", f'base = "compact"\nstart = []\n[parameters]\n{over}')
    found = load(mine).space()
    assert (found.fixed_value("conv3.momentum"), found.fixed_value("fc.momentum")) == (0.5, None)
    with pytest.raises(ConfigError, match=r"mine\.toml: .*matches no parameter"):
        load(written(tmp_path / "mine.toml", 'base = "compact"\n[parameters]\n"conf*.l2" = 0'))


def test_a_derived_study_may_have_other_depths_than_its_base(tmp_path: Path) -> None:
    shallow = load("beyond", ["net.depth=3"])
    assert not [name for name in shallow.space().specifications if name.startswith("conv4")]
    assert len(shallow.start) == len(load("beyond").start)
    deeper = '"net.depth" = 5\n"conv5.filters" = 8\n"conv5.kernel_size" = 1\n'
    mine = f'base = "smoke"\n[parameters]\n{deeper}"*.l2" = 1e-5\n"*.momentum" = 0.5\n'
    mine += '"*.learning_rate" = 0.01\n"net.padding" = "same"\n'
    assert load(written(tmp_path / "mine.toml", mine)).space().fixed_value("conv5.filters") == 8


def test_an_initial_configuration_of_the_base_is_fitted_or_left_out_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = 'base = "compact"\n[parameters]\n"recipe.batch" = { choices = ["pairs", "episodes"] }\n'
    text += '"recipe.way" = { low = 5, high = 40, when = { "recipe.batch" = "episodes" } }\n'
    (start,) = load(written(tmp_path / "mine.toml", text)).space().initial_configurations
    assert start["recipe.batch"] == "pairs"
    assert "recipe.way" not in start
    (said,) = caplog.messages
    assert said.startswith("mine: start.0 of ")
    assert said.endswith('compact.toml has the default of recipe.batch, "pairs"')
    caplog.clear()
    narrowed = 'base = "compact"\n[parameters]\n"fc.units" = { low = 128, high = 512 }'
    assert not load(written(tmp_path / "mine.toml", narrowed)).start
    (said,) = caplog.messages
    assert "compact.toml is left out: fc.units: 2048 is outside" in said


def test_the_file_that_holds_the_fault_is_named(tmp_path: Path) -> None:
    wrong = (available()["smoke"]).read_text().replace("epochs = 3", "epochs = 0", 1)
    written(tmp_path / "wrong.toml", wrong)
    mine = written(tmp_path / "mine.toml", 'base = "wrong.toml"\n[search]\nseed = 1')
    with pytest.raises(ConfigError, match=r"wrong\.toml: budget\.epochs = 0"):
        load(mine)
    written(tmp_path / "wrong.toml", 'base = "smoke"\n[search]\nseed = -1')
    with pytest.raises(ConfigError, match=r"wrong\.toml: search\.seed"):
        load(mine.replace("mine", "wrong"))
    for fault in ('"fc.unit" = 16', '"fc.units" = 1'):
        start = (available()["smoke"]).read_text().replace('"fc.units" = 128', fault)
        written(tmp_path / "wrong.toml", start)
        with pytest.raises(ConfigError, match=r"wrong\.toml: start\.0: .*fc\.unit"):
            load(mine)
    mine = written(tmp_path / "mine.toml", 'base = "smoke"\n[budget]\nepochs = 0')
    with pytest.raises(ConfigError, match=r"mine\.toml: budget\.epochs = 0"):
        load(mine)
    with pytest.raises(ConfigError, match=r"^--set budget\.epochs=0: budget\.epochs = 0"):
        load("smoke", ["search.seed=1", "budget.epochs=0"])


def test_a_derived_study_does_not_describe_itself_as_its_base(tmp_path: Path) -> None:
    text = 'base = "smoke"\n[search]\nseed = 1\n'
    assert load(written(tmp_path / "mine.toml", text)).description == "Derived from smoke"
    text = f'description = "Mine"\n{text}'
    assert load(written(tmp_path / "mine.toml", text)).description == "Mine"
    assert load("smoke", ["search.seed=1"]).description == "smoke with search.seed=1"


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("budget.epochs=3", {"budget": {"epochs": 3}}),
        ("search.sampler=tpe", {"search": {"sampler": "tpe"}}),
        ('search.sampler = "tpe"', {"search": {"sampler": "tpe"}}),
        ("final.teraflops=1e3", {"final": {"teraflops": 1000.0}}),
        ("conv*.filters=64", {"parameters": {"conv*.filters": 64}}),
        ("net.centred=true", {"parameters": {"net.centred": True}}),
        ("data.dataset=a=b", {"data": {"dataset": "a=b"}}),
        ("data.dataset=1\nx = 2", {"data": {"dataset": "1\nx = 2"}}),
        ("*.l2={low=1e-6, high=1e-2}", {"parameters": {"*.l2": {"low": 1e-6, "high": 0.01}}}),
    ],
)
def test_a_setting_is_a_line_of_a_study_file(text: str, raw: object) -> None:
    assert setting(text) == raw


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("budget.epochs", "give KEY=VALUE"),
        ("budget.epoch=3", 'unknown key "budget.epoch"; did you mean "budget.epochs"'),
        ("conv1.filter=3", 'did you mean "conv1.filters"'),
        ("name=x", 'unknown key "name"'),
        ("start=[]", 'unknown key "start"'),
    ],
)
def test_a_setting_of_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load("smoke", [text])


def test_settings_are_changes_like_any_other() -> None:
    settings = ["budget.epochs=5", "fc.units=64"]
    smoke = load("smoke", settings)
    assert (smoke.budget.epochs, smoke.space().fixed_value("fc.units")) == (5, 64)
    assert changed(load("smoke"), settings) == smoke
    assert changed(smoke, settings).identity() == smoke.identity() != load("smoke").identity()


def test_unaided_search_starts_from_the_paper_alone() -> None:
    unaided, beyond = load("beyond-unaided").identity(), load("beyond").identity()
    assert unaided == {k: v for k, v in beyond.items() if k not in ("start.1", "start.2")}
    # At 70 px it differs in conv1's kernel, whose smaller one is not in that study's range.
    larger, hand_set = load("beyond-70-unaided").identity(), load("beyond-70").identity()
    assert {k for k in larger if larger[k] != hand_set[k]} == {"start.0"}
    assert larger["start.0"] == {**unaided["start.0"], "conv1.kernel_size": 7}


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


def test_a_written_start_is_read_and_pasted(tmp_path: Path) -> None:
    space = load("smoke").space()
    # What the study fixes may be named, at the value that it has.
    values = {"net.poolings": 2, "net.centred": False, **space.initial_configurations[0]}
    text = written_start(values, "Trial 3 of\nsmoke")
    assert text.startswith("# Trial 3 of smoke\n[[start]]\n")
    (tmp_path / "best.toml").write_text(text)
    (found,) = starts(tmp_path / "best.toml")
    assert found.items() >= values.items()
    # Whatever a start does not name is as in the paper, where that says anything.
    assert (found["recipe.batch"], found["net.padding"]) == ("pairs", "valid")
    # The same number may be written without its point.
    text += '"net.dropout" = 0\n'
    mine = written(tmp_path / "mine.toml", 'base = "smoke"\n' + text)
    assert load(mine).space().initial_configurations == (space.initial_configurations[0],)


def test_a_study_file_is_a_file_of_starts_too(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('base = "compact"\n')
    config = load("compact")
    found = starts(tmp_path / "mine.toml")
    assert len(found) == len(config.start)
    assert found[0].items() >= config.space().initial_configurations[0].items()
    assert found[0]["net.initialisation"] == "kaiming"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["there is no [[start]]"]),
        ("start = 3", ["there is no [[start]]"]),
        ("start = [3]", ["start.0: 3 is no table"]),
        ('[[start]]\n"conv1.filter" = 3', ["start.0", 'did you mean "conv1.filters"']),
        ('[[start]]\n[[start]]\n"*.filters" = 3.5', ["start.1", "3.5 is not allowed"]),
        ("[[start]", ["not a TOML file"]),
        ('[[start]]\n[parameter]\n"fc.units" = 3', ['unknown key "parameter"']),
        ('base = "smoke"\nstart = []', ["there is no [[start]]"]),
    ],
)
def test_mistakes_in_a_file_of_starts_are_named(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    path = tmp_path / "best.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        starts(path)
    assert all(word in str(refused.value) for word in (*words, "best.toml")), str(refused.value)


def test_a_missing_file_of_starts_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"best\.toml cannot be read"):
        starts(tmp_path / "best.toml")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("budget.epochs=" + "9" * 5000, "budget.epochs: a number has too many digits"),
        ("*.l2=0x" + "f" * 5000, r"[*]\.l2: a whole number of at most 64 bits"),
        ("budget.seconds=1e400", "budget.seconds = inf: it should be a finite number"),
        ("*.l2={low=0, high=1, step=inf}", r"[*]\.l2\.step = inf: it should be a finite"),
    ],
)
def test_numbers_of_settings_are_finite_too(setting: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"^--set.* {words}") as refused:
        load("smoke", [setting])
    assert len(str(refused.value)) < 500
