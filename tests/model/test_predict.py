import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw, ImageOps
from typer.testing import CliRunner

from data.support import find_support
from model.checkpoint import SavedNet, save_net
from model.hyperparameters import Architecture
from model.net import SiameseNet
from model.predict import app, predict


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A net whose score is minus the distance of its embeddings, so that like goes with like."""
    architecture = Architecture(
        image_size=20,
        filters=(8,),
        kernel_sizes=(5,),
        poolings=1,
        units=16,
        embedding="identity",
        initialisation="kaiming",
    )
    net = SiameseNet(architecture, torch.Generator().manual_seed(0))
    with torch.no_grad():
        net.output.weight.fill_(-0.1)
    save_net(tmp_path / "model", SavedNet(net=net))
    return tmp_path / "model"


def drawing(shape: str, size: int = 80, shift: int = 0) -> Image.Image:
    image = Image.new("L", (size, size), 255)
    pen = ImageDraw.Draw(image)
    low, high, width = size // 5 + shift, size * 4 // 5 + shift, size // 12
    if shape == "ring":
        pen.ellipse((low, low, high, high), outline=0, width=width)
    elif shape == "bar":
        pen.line((size // 2, low, size // 2, high), fill=0, width=width)
    else:
        pen.line((low, low, high, high), fill=0, width=width)
        pen.line((low, high, high, low), fill=0, width=width)
    return image


SHAPES = ("bar", "cross", "ring")


@pytest.fixture
def support(tmp_path: Path) -> Path:
    folder = tmp_path / "support"
    (folder / "ring").mkdir(parents=True)
    drawing("bar").save(folder / "bar.png")
    drawing("cross").save(folder / "cross.jpg")
    drawing("ring").save(folder / "ring" / "1.png")
    drawing("ring", 120, 2).save(folder / "ring" / "2.png")
    (folder / "notes.txt").write_text("not a class")
    return folder


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    return result.exit_code, result.output


def test_classes_are_files_and_folders(support: Path) -> None:
    found = find_support(support)
    assert {name: len(images) for name, images in found.items()} == {
        "bar": 1,
        "cross": 1,
        "ring": 2,
    }


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dark_paper", [False, True])
def test_finds_the_class_at_any_size_and_polarity(
    model: Path, support: Path, tmp_path: Path, shape: str, dark_paper: bool
) -> None:
    image = drawing(shape, 300, 3)
    query = tmp_path / "query.png"
    (ImageOps.invert(image) if dark_paper else image).save(query)
    (ranked,) = predict(model, support, [query])
    assert ranked[0].name == shape
    assert [r.similarity for r in ranked] == sorted((r.similarity for r in ranked), reverse=True)
    assert all(0 <= r.similarity <= 1 for r in ranked)


def test_table_and_json_of_several_queries(model: Path, support: Path) -> None:
    options = ("--model", model, "--support", support, "--query", support / "bar.png")
    code, output = run(*options, support / "cross.jpg", "--top", 2)
    assert code == 0
    assert "bar.png: bar" in " ".join(output.split())
    code, output = run(*options, support / "cross.jpg", "--top", 2, "--json")
    answers = json.loads(output)
    assert [answer["ranked"][0]["class"] for answer in answers] == ["bar", "cross"]
    assert all(len(answer["ranked"]) == 2 for answer in answers)


def test_names_of_any_bytes_and_folders_of_queries(
    model: Path, support: Path, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    asked.mkdir()
    for folder in (asked, support):
        try:
            drawing("bar").save(folder / os.fsdecode(b"caf\xe9.png"))
        except OSError:
            pytest.skip("this file system takes no such names")
    drawing("ring").save(asked / "ring.png")
    command = [sys.executable, "-m", "model.predict", "--model", model, "--support", support]
    for extra in ([], ["--json"]):
        done = subprocess.run([*command, "--query", asked, *extra], capture_output=True)
        assert done.returncode == 0, done.stderr
        assert "xe9" in done.stdout.decode()
    answers = json.loads(done.stdout)
    assert [Path(answer["query"]).name for answer in answers] == ["caf\\xe9.png", "ring.png"]
    assert "caf\\xe9" in {one["class"] for one in answers[0]["ranked"]}
    assert answers[1]["ranked"][0]["class"] == "ring"


def test_mistakes_are_one_message(model: Path, support: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    (empty / "sub").mkdir(parents=True)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    good = support / "bar.png"
    for arguments, code, words in (
        ((tmp_path, support, good), 1, "final_fit"),
        ((model, tmp_path / "none", good), 1, "is no folder"),
        ((model, empty, good), 1, "no image in it"),
        ((model, empty / "sub", good), 1, "no image in it"),
        ((model, support, tmp_path / "none.png"), 1, "none.png"),
        ((model, support, broken), 1, "broken.png"),
    ):
        found, output = run(
            *("--model", arguments[0], "--support", arguments[1], "--query", arguments[2])
        )
        assert found == code
        assert words in " ".join(output.split())
    assert run("--model", model)[0] == 2
    options = ("--model", model, "--support", support, "--query", good)
    assert run(*options, "--top", 0)[0] == 2
    assert run(*options, "--device", "gpu")[0] == 2


def test_a_class_that_is_there_twice_is_refused(model: Path, support: Path) -> None:
    drawing("bar").save(support / "bar.gif")
    code, output = run("--model", model, "--support", support, "--query", support / "ring/1.png")
    assert code == 1
    assert "bar is there twice" in " ".join(output.split())
