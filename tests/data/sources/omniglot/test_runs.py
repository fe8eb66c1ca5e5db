import re
import zipfile
from pathlib import Path

import pytest
import torch

from data.dataset import Dataset
from data.errors import DataError
from data.files.packed import Packed
from data.sources.omniglot.facts import EVALUATION, RUN_ALPHABETS, RUNS_DIGEST
from data.sources.omniglot.runs import read_runs, runs_digest
from data.sources.omniglot.source import load_part, locate
from data.sources.request import Request

Entries = dict[str, bytes]


def archive(omniglot_root: Path, name: str) -> Path:
    return locate(name, Request(dataset="omniglot", root=omniglot_root, download=False))


@pytest.fixture(scope="module")
def evaluation(omniglot_root: Path, cache: Path) -> Packed:
    return load_part(archive(omniglot_root, "images_evaluation"), EVALUATION)


@pytest.fixture(scope="module")
def runs(omniglot_root: Path) -> Entries:
    with zipfile.ZipFile(archive(omniglot_root, "all_runs")) as file:
        return {i.filename: file.read(i) for i in file.infolist() if not i.is_dir()}


def test_they_are_the_official_ones_in_any_order(evaluation: Packed, runs: Entries) -> None:
    for entries in (runs, dict(reversed(runs.items()))):
        found = read_runs(entries.items(), "all_runs", evaluation)
        assert runs_digest(evaluation, *found) == RUNS_DIGEST
        query, support, answer = found
        assert (query.shape, support.shape, answer.shape) == ((400,), (400, 20), (400,))


def test_official_runs(omniglot: Dataset) -> None:
    runs = omniglot.official_runs
    assert runs is not None
    assert runs.drawings is omniglot.drawings
    assert runs.support.shape == (400, 20)
    d = omniglot.drawings
    right = runs.support.gather(1, runs.answer[:, None]).squeeze(1)
    assert torch.equal(d.character[runs.query], d.character[right])
    assert bool((runs.query != right).all())
    assert bool((d.alphabet[runs.support] == d.alphabet[runs.query][:, None]).all())
    assert int(d.drawer[torch.cat([runs.query, runs.support.flatten()])].max()) <= 8
    of_runs = d.alphabet[runs.query[::20]].tolist()
    names = [d.alphabet_names[i] for i in of_runs]
    assert sorted(names) == sorted(RUN_ALPHABETS * 2)


def changed(runs: Entries, how: str) -> Entries:
    """Return the runs with one thing wrong."""
    labels = next(name for name in runs if name.endswith("run07/class_labels.txt"))
    item = next(name for name in runs if name.endswith("run07/test/item03.png"))
    lines = [line.split() for line in runs[labels].decode().splitlines()]
    if how == "a drawing is gone":
        return {name: content for name, content in runs.items() if name != item}
    if how == "labels are gone":
        return {name: content for name, content in runs.items() if name != labels}
    if how == "a drawing of elsewhere":
        other = Path(__file__).parents[4] / "studies" / "results"
        picture = next(other.rglob("*.png")).read_bytes()
        return {**runs, item: picture}
    if how == "labels are mixed":
        lines[0][1], lines[1][1] = lines[1][1], lines[0][1]
    elif how == "a label of no class":
        lines[0][1] = re.sub(r"class\d\d", "class99", lines[0][1])
    else:
        lines[0] = lines[0][:1]
    return {**runs, labels: "\n".join(" ".join(line) for line in lines).encode()}


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("a drawing is gone", "run07/test/item03.png.* missing or mislabelled"),
        ("labels are gone", "run07.* missing or mislabelled"),
        ("a drawing of elsewhere", "run07/test/item03.png"),
        ("labels are mixed", "not the 20 official runs"),
        ("a label of no class", "missing or mislabelled"),
        ("half a label", "missing or mislabelled"),
    ],
)
def test_runs_that_are_wrong_are_refused(
    evaluation: Packed, runs: Entries, how: str, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        read_runs(changed(runs, how).items(), "all_runs", evaluation)


def test_labels_too_long_are_refused_unread(evaluation: Packed, runs: Entries) -> None:
    name = next(name for name in runs if name.endswith("run07/class_labels.txt"))
    with pytest.raises(DataError, match=r"run07/class_labels\.txt has 40,000,000 bytes"):
        read_runs({**runs, name: b"a b\n" * 10_000_000}.items(), "all_runs", evaluation)
