import json
import math
import os
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from data.images.support import find_support
from model.evaluation.classifier import Classifier
from model.net.calibration import Calibration
from model.net.ensemble import Ensemble
from model.net.saved import CONFIG, SavedNet, save_net
from model.net.saved_ensemble import ENSEMBLE, SavedEnsemble, save_ensemble
from model.predict import app
from tests.model.support import SHAPES, alike, drawing
from tests.python import run_python


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
    ranked = Classifier(model, support).rank(query)
    assert ranked[0].name == shape
    assert [r.similarity for r in ranked] == sorted((r.similarity for r in ranked), reverse=True)
    assert all(0 <= r.similarity <= 1 for r in ranked)


def test_table_and_json_of_several_queries(model: Path, support: Path) -> None:
    options = ("--model", model, "--support", support, "--query", support / "bar.png")
    code, output = run(*options, support / "cross.jpg", "--top", 2)
    assert code == 0
    assert "bar.png:bar" in "".join(output.split())
    code, output = run(*options, support / "cross.jpg", "--top", 2, "--json")
    answers = json.loads(output)
    assert [answer["ranked"][0]["class"] for answer in answers] == ["bar", "cross"]
    assert [answer["answer"] for answer in answers] == ["bar", "cross"]
    assert not any(answer["unknown"] for answer in answers)
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
    command = ["-m", "model.predict", "--model", model, "--support", support]
    for extra in ([], ["--json"]):
        done = run_python([*command, "--query", asked, *extra], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "xe9" in done.stdout
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
        ((tmp_path, support, good), 1, "the final fit wrote"),
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
    for threshold in ("-0.1", "1.1", "nan", "half"):
        assert run(*options, "--threshold", threshold)[0] == 2


def test_a_class_that_is_there_twice_is_refused(model: Path, support: Path) -> None:
    drawing("bar").save(support / "bar.gif")
    code, output = run("--model", model, "--support", support, "--query", support / "ring/1.png")
    assert code == 1
    assert "bar is there twice" in " ".join(output.split())


@pytest.mark.parametrize(
    ("level", "threshold"), [(100.0, 1.0), (28.0, 1 - 1e-12), (-27.0, 1e-12), (-800.0, 0.0)]
)
def test_a_net_saved_without_calibration_ranks_right_and_says_so(
    tmp_path: Path, support: Path, level: float, threshold: float
) -> None:
    folder = tmp_path / "old"
    save_net(folder, SavedNet(net=alike(level), calibration=None, threshold=threshold))
    assert "calibration" not in json.loads((folder / CONFIG).read_text())
    query = tmp_path / "query.png"
    drawing("ring", 100, 2).save(query)
    options = ("--model", folder, "--support", support, "--query", query)
    result = CliRunner().invoke(app, [str(option) for option in (*options, "--json")])
    assert result.exit_code == 0
    assert "did not calibrate" in result.stderr
    (answer,) = json.loads(result.stdout)
    assert answer["ranked"][0]["class"] == "ring"
    similarities = [one["similarity"] for one in answer["ranked"]]
    assert similarities == sorted(set(similarities), reverse=True)
    assert all(0 < one < 1 for one in similarities)


def test_what_no_class_reaches_is_unknown(model: Path, support: Path, tmp_path: Path) -> None:
    query = tmp_path / "query.png"
    drawing("cross", 100, 2).save(query)
    best, *_ = Classifier(model, support).rank(query)
    assert best.name == "cross"
    options = ("--model", model, "--support", support, "--query", query)
    for threshold, unknown in (
        (0, False),
        (best.similarity - 1e-3, False),
        (best.similarity + 1e-3, True),
        (1, True),
    ):
        code, output = run(*options, "--threshold", threshold, "--json")
        assert code == 0
        (answer,) = json.loads(output)
        assert answer["unknown"] is unknown
        assert answer["answer"] == (None if unknown else "cross")
        assert answer["ranked"][0]["class"] == "cross"
        assert answer["ranked"][0]["similarity"] == best.similarity
        title = "query.png: unknown, closest to cross" if unknown else "query.png: cross"
        assert title in " ".join(run(*options, "--threshold", threshold)[1].split())
    # The default is the calibrated one.
    assert json.loads(run(*options, "--json")[1])[0]["unknown"] == (best.similarity < 0.5)


def test_bad_queries_are_named_and_the_others_answered(
    model: Path, support: Path, tmp_path: Path
) -> None:
    broken, blank, none = (tmp_path / f"{name}.png" for name in ("broken", "blank", "none"))
    broken.write_bytes(b"no image")
    Image.new("L", (50, 50), 255).save(blank)
    queries = (broken, support / "bar.png", blank, none, support / "cross.jpg")
    options = ("--model", model, "--support", support, "--query", *queries)
    for as_json in ((), ("--json",)):
        result = CliRunner().invoke(app, [str(option) for option in (*options, *as_json)])
        assert result.exit_code == 1
        for path in (broken, blank, none):
            assert result.stderr.count(f"error: {path}") == 1
        assert f"{blank}: blank" in result.stderr
        assert "bar.png" not in result.stderr
        if not as_json:
            assert "bar.png:bar" in "".join(result.stdout.split())
            assert "cross.jpg:cross" in "".join(result.stdout.split())
    answers = json.loads(result.stdout)
    assert [answer["query"] for answer in answers] == [str(path) for path in queries]
    assert [answer.get("answer") for answer in answers] == [None, "bar", None, None, "cross"]
    assert ["error" in answer for answer in answers] == [True, False, True, True, False]


def test_bad_images_of_the_support_are_all_named(
    model: Path, support: Path, tmp_path: Path
) -> None:
    Image.new("L", (50, 50), 255).save(support / "ring" / "blank.png")
    (support / "broken.png").write_bytes(b"no image")
    options = ("--model", model, "--support", support, "--query", support / "bar.png")
    code, output = run(*options)
    assert code == 1
    assert f"{support / 'ring' / 'blank.png'}: blank" in output
    assert str(support / "broken.png") in output
    assert "bar.png:bar" not in "".join(output.split())
    for i in range(30):
        (support / f"broken{i}.png").write_bytes(b"no image")
    code, output = run(*options)
    assert code == 1
    assert output.count("cannot be read as an image") <= 20
    assert "and 12 more" in output


def test_show_writes_the_sheet(model: Path, support: Path, tmp_path: Path) -> None:
    options = ("--model", model, "--support", support, "--query", support / "bar.png")
    code, _ = run(*options, "--show", tmp_path / "seen.png")
    assert code == 0
    with Image.open(tmp_path / "seen.png") as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 2 * 105, "pairs of pictures"


def test_a_sheet_that_cannot_be_written_costs_no_answer(
    model: Path, support: Path, tmp_path: Path
) -> None:
    options = ("--model", model, "--support", support, "--query", support / "bar.png")
    code, output = run(*options, "--show", tmp_path / "no/seen.png")
    assert code == 1
    assert "bar.png:bar" in "".join(output.split())
    assert " ".join(output.split()).count("cannot be written") == 1
    code, output = run(*options, "--show", tmp_path / "no/seen.png", "--support", tmp_path / "none")
    assert code == 1
    assert output.count("error: ") == 1


@pytest.mark.parametrize(("name", "form"), [("a.jpg", "JPEG"), ("a.TIF", "TIFF"), ("a.gif", "GIF")])
def test_the_sheet_is_of_the_format_that_its_name_says(
    name: str, form: str, model: Path, support: Path, tmp_path: Path
) -> None:
    options = ("--model", model, "--support", support, "--query", support / "bar.png")
    assert run(*options, "--show", tmp_path / name)[0] == 0
    with Image.open(tmp_path / name) as sheet:
        assert sheet.format == form
    for wrong in ("seen", "seen.txt", "seen.svg", "seen.heic", "model"):
        code, output = run(*options, "--show", tmp_path / wrong)
        assert code == 2
        assert "PNG, JPEG" in " ".join(output.replace("│", " ").split())
        assert "bar.png:bar" not in "".join(output.split())


def test_an_ensemble_answers_unless_the_single_net_is_asked(model: Path, support: Path) -> None:
    options = ("--model", model, "--support", support, "--query", support / "bar.png", "--json")
    alone = run(*options)
    members = [alike(10.0), alike(20.0)]
    calibrations = [Calibration(shift=9.0, scale=1.0), Calibration(shift=19.0, scale=3.0)]
    ensemble = Ensemble(members, calibrations)
    calibration = Calibration(shift=0.5, scale=2.0)
    save_ensemble(model, SavedEnsemble(net=ensemble, seeds=(0, 1), calibration=calibration))
    (single,) = json.loads(alone[1])
    (joined,) = json.loads(run(*options)[1])
    by_name = {one["class"]: one["logit"] for one in single["ranked"]}
    for one in joined["ranked"]:
        # Both members are the single net, at other levels.
        mean = ((by_name[one["class"]] + 1.0) + 3 * (by_name[one["class"]] + 1.0)) / 2
        assert one["logit"] == pytest.approx(mean, abs=1e-4)
        similarity = 1 / (1 + math.exp(-2.0 * (mean - 0.5)))
        assert one["similarity"] == pytest.approx(similarity, abs=1e-4)
    assert joined["answer"] == "bar"
    assert run(*options, "--single") == alone
    (model / ENSEMBLE).write_text("{")
    code, output = run(*options)
    assert (code, output.count("error: ")) == (1, 1)
    assert "ensemble.json is damaged" in "".join(output.split("\n"))
    assert run(*options, "--single") == alone
