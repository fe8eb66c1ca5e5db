"""The user's own images, from a folder of them through the search to a prediction."""

import json
import random
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

import hpo
from hpo.study.errors import StudyError
from model.predict import app as predict
from run_study import app as run

ALPHABETS, CHARACTERS, DRAWINGS = 3, 6, 4


def draw(file: Path, character: int, hand: random.Random) -> None:
    """Draw a character as someone would who has pens, paper and cameras of all kinds."""
    width, height = hand.randrange(40, 260), hand.randrange(40, 260)
    dark, light = hand.randrange(70), hand.randrange(190, 256)
    ink, paper = (dark, light) if hand.random() < 0.5 else (light, dark)
    picture = Image.new("L", (width, height), paper)
    strokes = random.Random(character)
    points = [(strokes.uniform(0.15, 0.85), strokes.uniform(0.15, 0.85)) for _ in range(5)]
    line = [
        ((x + hand.gauss(0, 0.02)) * width, (y + hand.gauss(0, 0.02)) * height) for x, y in points
    ]
    ImageDraw.Draw(picture).line(line, ink, max(3, min(width, height) // 14))
    picture.convert(hand.choice(["L", "RGB"])).save(file)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root, hand = tmp_path / "handwriting", random.Random(0)
    for alphabet in range(ALPHABETS):
        for character in range(CHARACTERS):
            folder = root / f"script {alphabet}" / f"letter {character}"
            folder.mkdir(parents=True)
            for drawing in range(DRAWINGS):
                suffix = hand.choice(["png", "jpg", "bmp"])
                draw(folder / f"{drawing}.{suffix}", 10 * alphabet + character, hand)
    return root


def test_own_images_from_search_to_prediction(own: Path, tmp_path: Path) -> None:
    study = hpo.Study("smoke", trials=1, dataset=str(own), out=tmp_path / "studies", device="cpu")
    assert study.run()
    assert study.optuna.user_attrs["data"]["name"] == "handwriting"
    study.fit(top=1, seeds=1)
    support = tmp_path / "support"
    support.mkdir()
    hand = random.Random(1)
    for character in range(3):
        draw(support / f"{character}.png", 100 + character, hand)
    query = tmp_path / "query.jpg"
    draw(query, 101, hand)
    fitted = str(study.location.folder / "final")
    result = CliRunner().invoke(
        predict, ["--model", fitted, "--support", str(support), "--query", str(query), "--json"]
    )
    assert result.exit_code == 0, result.output
    assert sorted(_names(json.loads(result.output))) == ["0", "1", "2"]


def _names(found: object) -> set[str]:
    """Return the classes named anywhere in the answer."""
    if isinstance(found, dict):
        mine = {str(v) for k, v in found.items() if k in ("class", "name") and isinstance(v, str)}
        return mine.union(*map(_names, found.values()))
    return set().union(*map(_names, found)) if isinstance(found, list) else set()


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ((2, CHARACTERS, DRAWINGS), "2 alphabets with images enough; at least 3 are needed"),
        ((3, 1, DRAWINGS), "3 alphabets left out, without the 2 characters"),
        ((3, CHARACTERS, 1), "without the 2 characters of 2 drawings that are needed"),
        ((3, 3, DRAWINGS), "at least 5 characters; 2 such are needed"),
    ],
)
def test_too_few_images_are_refused_with_the_numbers(
    own: Path, tmp_path: Path, kept: tuple[int, int, int], words: str
) -> None:
    alphabets, characters, drawings = kept
    for file in own.glob("*/*/*"):
        location = (int(file.parts[-3][-1]), int(file.parts[-2][-1]), int(file.stem))
        if location[0] >= alphabets or location[1] >= characters or location[2] >= drawings:
            file.unlink()
    arguments = ["--study", "smoke", "--dataset", str(own), "--out", str(tmp_path / "studies")]
    result = CliRunner().invoke(run, [*arguments, "--device", "cpu"])
    assert result.exit_code == 1
    assert words in " ".join(result.output.split())
    with pytest.raises(StudyError, match="has no trials yet"):
        _ = hpo.Study("smoke", dataset=str(own), out=tmp_path / "studies").best
