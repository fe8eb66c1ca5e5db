"""Every command and every line of Python that a README shows, run in their order.

A small study stands in for the big ones, a file of SQLite for a server; what is left out is said
at its place. The commands are read from the pages themselves.
"""

import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from data.images.ink import read_ink
from tests import ROOT, STUDIES
from tests.photographs import MILD, SHADOW, photograph
from tests.python import run_python
from tests.test_own_images import draw

PAGES = ("README.md", *(f"{room}/README.md" for room in ("studies", "data", "hpo", "tests")))
README = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
SMALL = """
[data]
dataset = "glyphs"
image_size = 20
drawers = "all"

[budget]
epochs = 1
pairs_per_epoch = 64
patience = 1
momentum_epochs = 1

[validation]
way = 5
trials = 40
variant = "all_drawers"
verification_pairs = 40

[search]
sampler = "random"
trials = 3

[parameters]
"net.depth" = 2
"net.poolings" = 1
"conv*.filters" = { low = 4, high = 8 }
"conv*.kernel_size" = 3
"fc.units" = 16
"*.learning_rate" = { low = 1e-3, high = 1e-2, log = true }
"*.momentum" = 0.9
"*.l2" = 1e-5

[[start]]
"conv*.filters" = 4
"*.learning_rate" = 1e-3
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Return the commands of the pages' blocks and lines, without comments, in order.

    What a page or a line of the text says again is left out.
    """
    found: list[str] = []
    for block, line in re.findall(r"^```bash\n(.*?)^```|`([^`\n]+)`", README, re.DOTALL | re.M):
        for one in block.splitlines() or [line]:
            bare = one.partition("#")[0].strip()
            known = re.match(
                r"(\w+=\S+ )?(python|pip|pytest|srun|bash|optuna-dashboard|siamese-hpo)\b", bare
            )
            if known and bare not in found:
                found.append(bare)
    return found


def taken(file: Path, character: int, hand: random.Random) -> None:
    """Take a photograph of a character: drawn, laid on paper, lit, now and then in a shadow."""
    drawn = file.with_suffix(".png")
    draw(drawn, character, hand)
    ink = read_ink(drawn, 105)
    drawn.unlink()
    scene = hand.choice([MILD, SHADOW])
    file.write_bytes(photograph(ink, scene, np.random.default_rng(hand.randrange(2**32))))


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which a reader of the README has what it speaks of."""
    folder = tmp_path_factory.mktemp("reader")
    for name in (*STUDIES, "mine"):
        # All but one learn from less, so that their fits are tested sooner.
        less = SMALL if name == "smoke" else SMALL.replace('"glyphs"', '"my_letters"')
        (folder / f"{name}.toml").write_text(less)
    hand = random.Random(0)
    for alphabet in range(3):
        for character in range(6):
            for drawing in range(4):
                file = folder / f"my_letters/{alphabet}/{character}/{drawing}.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                taken(file, 10 * alphabet + character, hand)
    (folder / "letters").mkdir()
    for character in range(3):
        draw(folder / f"letters/{character}.png", 100 + character, hand)
    taken(folder / "unknown.jpg", 101, hand)
    draw(folder / "unknown.png", 101, hand)
    return folder


def adapted(command: str) -> list[str]:
    """Return the command as it can be run here."""
    command = command.removeprefix("srun ").replace("python ", f"{sys.executable} ", 1)
    command = re.sub(r"^siamese-hpo", f"{sys.executable} -m hpo.cli", command)
    command = re.sub(rf"--study ({'|'.join(STUDIES)})(?=\s|$)", r"--study \1.toml", command)
    command = re.sub(r"--trials \d+", "--trials 3", command)
    command = re.sub(r"minutes \d+", "minutes 0.001", command)
    command = re.sub(r'"\$STUDY_DB"|postgresql\S+', "sqlite:///shared.db", command)
    command = command.replace("/shared/studies", "shared").replace(" --quick", "")
    command = command.replace("run_study.py", str(ROOT / "run_study.py"), 1)
    if command.startswith("optuna-dashboard"):
        command += " --port 18094"  # others may take the usual one
    if re.fullmatch(r"\S+ (\S*run_study\.py|-m hpo\.\w+( \w+)?|-m model\.predict)", command):
        command += " --help"  # named, not shown
    if (
        re.search(r"run_study|hpo.cli run", command)
        and "--study" not in command
        and "--list" not in command
    ):
        command += " --study compact.toml"
    return shlex.split(command)


def environment(there: Path) -> dict[str, str]:
    """Return the environment of a reader with an empty cache and a terminal 80 wide."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(there / "cache"),
        "COLUMNS": "80",
    }


def run(arguments: list[str], there: Path) -> subprocess.CompletedProcess[str]:
    assert arguments[0] == sys.executable
    done = run_python(arguments[1:], cwd=there, env=environment(there))
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    assert "Warning" not in said, said
    assert done.returncode == 0, said
    return done


@pytest.mark.parametrize("command", commands())
def test_command(
    command: str, there: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command.startswith("pip install"):
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
            "optional-dependencies"
        ]
        assert set(re.findall(r"\[(\w+)\]", command)) <= set(extras), "an extra that is not there"
        _, both, rest = command.partition(" && ")
        if both and rest != "pytest":
            run(adapted(rest), there)
    elif command.startswith(("pytest", "FUZZ_EXAMPLES", "bash .ci/run")):
        pytest.skip("what runs this test is not run by it")
    elif re.search(r"tests\.(chaos|benchmarks)|--background", command):
        # They kill for minutes, measure, and need Omniglot; all have tests of their own.
        run([*adapted(command), "--help"], there)
    elif re.search(r"hpo[. ]dashboard -|^optuna-dashboard", command):
        serves(adapted(command), there)
    else:
        if re.search(r"model.baselines|hpo baselines", command):
            monkeypatch.setenv("OMNIGLOT_ROOT", str(request.getfixturevalue("omniglot_root")))
        if "--ray" in command and not find_spec("ray"):
            pytest.skip("ray is not installed")
        if "--tensorboard" in command and not find_spec("tensorboard"):
            pytest.skip("tensorboard is not installed")
        run(adapted(command), there)


def status(address: str) -> int:
    """Return what a server answers, which may print its address before it listens."""
    for _ in range(60):
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.5)
    pytest.fail(f"nothing listens at {address}")


def serves(arguments: list[str], there: Path) -> None:
    """Check that the command prints an address that answers, and ends when told to."""
    server = subprocess.Popen(
        arguments,
        cwd=there,
        env={**environment(there), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        address = next(_addresses(server))
        assert status(address) == 200
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=60)


def _addresses(server: subprocess.Popen[str]) -> Iterator[str]:
    assert server.stdout is not None
    said = ""
    for line in server.stdout:
        said += line
        if found := re.search(r"http://[\w.:]+/?", line):
            yield found[0]
    pytest.fail(f"no address: {said}")


def test_what_the_commands_made(there: Path) -> None:
    """What the README says lies in a study's folder lies there, after its commands."""
    names = ("study.db", "artifacts", "final/README.md", "final-trial-0", "report/report.html")
    for name in (*names, "report/trials.csv", "report/best.toml"):
        assert (there / "studies/compact" / name).exists(), name
    for sheet in ("mine/compact/inputs.png", "seen.png"):
        assert (there / sheet).read_bytes().startswith(b"\x89PNG"), sheet


def test_python(there: Path) -> None:
    """The six lines, in a process of their own."""
    (lines,) = blocks("python")
    script = lines.replace('"compact"', '"compact.toml"').replace("trials=25", "trials=4")
    assert script != lines
    done = run([sys.executable, "-c", script + "study.plot().save('plot.png')\n"], there)
    assert "conv1.learning_rate" in done.stdout
    assert (there / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_study_files() -> None:
    """Every key and value of the study files that are shown is allowed."""
    from hpo.study.config import StudyConfig

    small = tomllib.loads(SMALL)
    for lines in blocks("toml"):
        made = {**small, "name": "mine", "start": ()}
        for section, keys in tomllib.loads(lines).items():
            if section == "base":
                assert keys in STUDIES
            else:
                made[section] = {**small[section], **keys}
        assert StudyConfig.model_validate(made).space().searched["recipe.way"]
