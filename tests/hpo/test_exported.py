"""A net of every head and loss on its way out: fit, save, load, predict, JSON, ONNX."""

import getpass
import io
import itertools
import json
import socket
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from optuna.trial import create_trial
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import hpo.fits.held_out
import hpo.training.data
from data.batches.one_shot import generate
from data.errors import DataUnavailable
from data.images.ink import read_ink
from data.sources.table import load
from data.split import split
from hpo.fits.fitter import Fitter
from hpo.fits.result import FinalFit
from hpo.results.metrics import Metrics
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from hpo.terminal.fit_progress import FitProgress
from hpo.training.checkpoints import Checkpoints
from hpo.training.data import load_data
from model.hyperparameters import Budget
from model.net.saved import SavedNet, load_net
from model.predict import app
from tests import ROOT
from tests.benchmarks.exported import score
from tests.hpo.support import SIZE, tiny_config, tiny_dataset
from tests.model.support import TINY, tiny_hyperparameters

HEADS = ("weighted_l1", "weighted_l2", "cosine")
LOSSES = ("pair", "episode")
LEVEL = {"pair": -30.0, "episode": 90.0}
"""What is added to every logit, as training may: a sigmoid would be 0, or 1, for all pairs."""
TRIALS = 400
DATASET = tiny_dataset(characters=10)
RUNS = generate(split(DATASET, "all").test, way=6, trials=TRIALS, variant="all_drawers", seed=5)


@dataclass(frozen=True)
class Left:
    """What a final fit left."""

    folder: Path
    metrics: Metrics
    said: str


@pytest.fixture(scope="module", params=itertools.product(HEADS, LOSSES), ids="-".join)
def left(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Left]:
    head, loss = request.param
    base = tmp_path_factory.mktemp(f"{head}-{loss}")
    with pytest.MonkeyPatch.context() as patch:
        yield fitted(base, head, loss, patch)


def fitted(base: Path, head: str, loss: str, patch: pytest.MonkeyPatch) -> Left:
    def no_mnist(root: Path) -> None:
        raise DataUnavailable("there is no MNIST here")

    dataset = replace(DATASET, official_runs=RUNS)
    patch.setattr(hpo.training.data, "load", lambda **_: dataset)
    patch.setattr(hpo.fits.held_out, "load", lambda **_: dataset)
    patch.setattr(hpo.fits.held_out, "load_mnist", no_mnist)
    config = tiny_config()
    run = StudyRun(config=config, location=StudyLocation(config.name, base))
    inputs = load_data(run)
    batch = "pairs" if loss == "pair" else "episodes"
    hyperparameters = tiny_hyperparameters(
        replace(TINY, head=head, embedding="identity", normalisation="batch"),
        batch=batch,
        loss=loss,
    )
    budget = Budget(epochs=3, pairs_per_epoch=256, patience=9, momentum_epochs=3)
    fitter = Fitter(inputs, "tiny", Checkpoints(base / "checkpoints"))
    fit = fitter.fit(hyperparameters, budget, 0)
    parameters = dict(fit.parameters)
    parameters["output.bias"] = parameters["output.bias"] + LEVEL[loss]
    trial = create_trial(value=0.5)
    trial.number = 0
    result = FinalFit(
        run=run,
        trial=trial,
        title="best",
        candidates=[],
        fits=[replace(fit, parameters=parameters)],
        validated=[0.5],
        seconds=1,
        inputs=inputs,
        digest="0",
    )
    said = io.StringIO()
    metrics = result.test_and_write(base / "final", FitProgress(Console(file=said, width=999), 1))
    return Left(base / "final", metrics, said.getvalue())


def test_the_file_alone_is_as_good_as_the_logits(left: Left) -> None:
    found = score(left.folder, RUNS)
    figure = left.metrics.find("official_runs")
    assert figure is not None
    assert figure.trials == TRIALS
    # Above chance, else there would be nothing to lose.
    assert figure.values[0] > 0.25
    assert found.same_answer >= 0.99
    assert found.tied == 0
    assert found.accuracy == pytest.approx(figure.values[0], abs=1.01 / TRIALS)
    assert found.by_logit == pytest.approx(figure.values[0], abs=1.01 / TRIALS)
    assert 0 < found.different < found.same < 1


def test_calibration_and_error_rates_stand_in_both_files(left: Left) -> None:
    (seed,) = left.metrics.seeds
    config = json.loads((left.folder / "config.json").read_text())
    assert seed.calibration is not None
    assert config["calibration"] == {
        "shift": seed.calibration.shift,
        "scale": seed.calibration.scale,
    }
    stated = json.loads((left.folder / "metrics.json").read_text())["seeds"][0]
    assert stated["calibration"] == config["calibration"]
    assert 0 <= stated["false_accept"] < 0.5
    assert 0 <= stated["false_reject"] < 0.5
    verification = left.metrics.find("verification")
    assert verification is not None
    assert verification.values[0] > 0.55
    for shown in left.metrics.gallery.trials:
        assert len(set(shown.scores)) == len(shown.scores)
        assert shown.scores[shown.chosen] == max(shown.scores)


def test_predict_answers_as_the_logits_do(left: Left, tmp_path: Path) -> None:
    """A hundred queries and more, each against one drawing of each character."""
    test = split(DATASET, "all").test
    support, queries = tmp_path / "support", tmp_path / "queries"
    support.mkdir()
    queries.mkdir()
    paths = []
    for i, ink in enumerate(test.ink):
        # Every way round, for there are few drawings.
        for turn in range(3):
            name = test.character_names[int(test.character[i])].replace("/", "-")
            image = Image.fromarray(255 - np.rot90(ink.numpy(), turn))
            if int(test.drawer[i]) == 1 and not turn:
                image.save(support / f"{name}.png")
            elif int(test.drawer[i]) > 1:
                paths.append(queries / f"{name}-{i}-{turn}.png")
                image.save(paths[-1])
    assert len(paths) >= 100
    options = ["--model", left.folder, "--support", support, "--query", *paths, "--json"]
    result = CliRunner().invoke(app, [str(option) for option in [*options, "--top", "99"]])
    assert result.exit_code == 0, result.output
    answers = json.loads(result.stdout)
    saved = load_net(left.folder)
    expected = logits(saved, sorted(support.iterdir()), paths)
    names = [path.stem for path in sorted(support.iterdir())]
    agreed = 0
    for answer, row in zip(answers, expected, strict=True):
        by_name = {one["class"]: one for one in answer["ranked"]}
        assert [by_name[name]["logit"] for name in names] == pytest.approx(row.tolist(), abs=1e-3)
        similarities = [one["similarity"] for one in answer["ranked"]]
        assert similarities == sorted(similarities, reverse=True)
        assert len(set(similarities)) == len({one["logit"] for one in answer["ranked"]})
        agreed += answer["ranked"][0]["class"] == names[int(row.argmax())]
    assert agreed >= 0.99 * len(paths)


@torch.inference_mode()
def logits(saved: SavedNet, support: list[Path], queries: list[Path]) -> torch.Tensor:
    """Return the saved net's own logits ``[queries, support]``."""

    def embedded(paths: list[Path]) -> torch.Tensor:
        ink = torch.from_numpy(np.stack([read_ink(path, SIZE) for path in paths]))
        return saved.net.embed(ink.unsqueeze(1).float() / 255)

    return saved.net.score(embedded(queries)[:, None], embedded(support)[None])


def test_nothing_that_is_left_names_this_machine(left: Left) -> None:
    traces = {
        "the project": str(ROOT),
        "the folder": str(left.folder.parent),
        "home": str(Path.home()),
        "python": sys.prefix,
        "packages": "site-packages",
        "stack traces": "stack_trace",
        "host": socket.gethostname(),
        "user": f"/{getpass.getuser()}/",
    }
    files = sorted(path for path in left.folder.rglob("*") if path.is_file())
    assert {path.name for path in files} == {
        "answers.npz",
        "config.json",
        "gallery.npz",
        "metrics.json",
        "model.safetensors",
        "siamese.onnx",
        "training_curve.png",
    }
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".npz":
            archive = zipfile.ZipFile(io.BytesIO(content))
            content += b"".join(archive.read(name) for name in archive.namelist())
        elif path.suffix == ".png":
            content += repr(Image.open(path).info).encode()
        for what, trace in traces.items():
            # A short name stands among weights by chance.
            if len(trace) >= 5:
                assert trace.encode() not in content, f"{path.name} names {what}: {trace}"


def test_a_folder_of_ones_own_is_named_without_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIAMESE_HPO_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "my letters"
    for alphabet, character, drawing in itertools.product("abc", "mnopqr", range(2)):
        file = root / alphabet / character / f"{drawing}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        paper = np.full((40, 40), 255, np.uint8)
        paper[8:32, 8 + ord(character) % 7 : 12 + ord(character) % 7 + drawing] = 0
        paper[8 + ord(alphabet) % 5 : 12 + ord(alphabet) % 5, 8:32] = 0
        Image.fromarray(paper).save(file)
    for named in (root, root / "a" / ".."):
        assert load(str(named)).name == "my letters"
