"""Every command that some output suggests, run as it is printed."""

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from optuna_dashboard import get_note
from PIL import Image, ImageDraw
from typer.testing import CliRunner

import hpo.dashboard
import hpo.fits.held_out
from data.errors import DataUnavailable
from hpo.study.open import open_finished
from hpo.study.storage.location import StudyLocation
from hpo.terminal import commands
from hpo.terminal.commands import COMMANDS, command, study_command
from tests.hpo.support import tiny_dataset
from tests.test_readme import SMALL


@pytest.fixture(autouse=True)
def tiny_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_mnist(root: Path) -> None:
        raise DataUnavailable("there is no MNIST here")

    def stopped(server: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hpo.fits.held_out, "load", lambda **_: tiny_dataset())
    monkeypatch.setattr(hpo.fits.held_out, "load_mnist", no_mnist)
    monkeypatch.setattr(hpo.dashboard._Server, "serve_forever", stopped)


def suggested(text: str) -> list[str]:
    return re.findall(r"^ *((?:python (?:-m|run_study)|siamese-hpo ).*)$", text, re.MULTILINE)


def typed(line: str, *more: str) -> str:
    """Run the line as it is printed, and return its output."""
    words = shlex.split(line)
    if words[0] == "siamese-hpo":
        module, arguments = COMMANDS[words[1]].module, words[2:]
    elif words[1] == "-m":
        module, arguments = words[2], words[3:]
    else:
        module, arguments = words[1].removesuffix(".py"), words[2:]
    done = CliRunner().invoke(import_module(module).app, [*arguments, *more])
    assert done.exit_code == 0, f"{line}\n{done.output}"
    return done.output


def every(found: list[str], there: Path) -> Iterator[str]:
    """Run the lines, the fits short; yield what they print."""
    for line in found:
        if "predict" in line:
            line = line.replace("FOLDER", str(there / "letters"))
            line = line.replace("IMAGE", str(there / "letters" / "a.png"))
        fit = ("--minutes", "0.001", "--seeds", "1", "--top", "1")
        yield typed(line, *fit * (" fit " in line or "final_fit" in line))


@pytest.mark.parametrize(
    ("place", "script"),
    [
        ((), None),
        (("--storage", "sqlite:///shared.db", "--out", "../mine"), "/somewhere/siamese-hpo"),
    ],
)
def test_what_is_suggested_after_a_study_file_of_ones_own_works(
    place: tuple[str, ...], script: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands.shutil, "which", lambda name: script)
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for folder in (here, elsewhere, tmp_path / "letters"):
        folder.mkdir()
    for i, name in enumerate("ab"):
        image = Image.new("L", (30, 30), 255)
        ImageDraw.Draw(image).line((5, 5, 25, 5 + 20 * i), 0, 3)
        image.save(tmp_path / "letters" / f"{name}.png")
    # Of a name that a file of the project has as well.
    (here / "compact.toml").write_text(SMALL.replace("image_size = 20", "image_size = 16"))
    monkeypatch.chdir(here)
    begun = ("--study", "compact.toml", "--trials", "1", "--set", "search.seed=3", *place)
    said = typed("python run_study.py", *begun, "--data-root", "sets")
    printed = suggested(said)
    assert len(printed) == 3
    later = suggested("".join(every(printed, tmp_path)))
    assert later
    list(every(later, tmp_path))
    # The note and the report are read in any folder.
    monkeypatch.chdir(elsewhere)
    options = dict(zip(place[::2], place[1::2], strict=True))
    out = here / options.get("--out", "studies")
    storage = f"sqlite:///{here / 'shared.db'}" if "--storage" in options else None
    location = StudyLocation("compact", out, storage)
    texts = [get_note(open_finished(location))]
    texts += [(location.folder / "report" / "report.md").read_text(encoding="utf-8")]
    lines = [line for text in texts for line in suggested(text)]
    assert len(lines) >= 4
    list(every(lines, tmp_path))
    assert len(open_finished(location).trials) == 1
    assert not list(elsewhere.iterdir())


def test_a_command_is_the_script_s_where_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands.shutil, "which", lambda name: None)
    assert [command(name) for name in ("run", "fit")] == [
        "python run_study.py",
        "python -m hpo.final_fit",
    ]
    monkeypatch.setattr(commands.shutil, "which", lambda name: f"/bin/{name}")
    assert command("fit") == "siamese-hpo fit"


def test_a_place_is_named_as_far_as_it_must_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = StudyLocation("tiny")
    assert study_command("fit", here).endswith(" --study tiny")
    assert f"--out {tmp_path / 'studies'}" in study_command("fit", here, anywhere=True)
    sets = Path("my sets")
    assert f"--data-root '{tmp_path}/my sets'" in study_command("fit", here, sets)
    assert "--data-root" not in study_command("report", here, sets)
    shared = StudyLocation("tiny", storage="postgresql+psycopg://me:secret@host/db")
    assert "--storage postgresql+psycopg://me@host/db" in study_command("report", shared)
