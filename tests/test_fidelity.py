"""How far a low rung can be trusted: the table of learning curves and what follows from it."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hpo.training.data
from hpo.results.costs import costed_trials
from hpo.search.workers.worker import work
from hpo.study.errors import ConfigError
from hpo.study.files import changed
from hpo.study.open import open_finished, open_study
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from model.training.trainer import Trainer
from tests.benchmarks import fidelity
from tests.hpo.support import tiny_config, tiny_dataset, tiny_job


def test_the_table_of_fidelity_holds_every_epoch_and_parameter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hpo.training.data, "load", lambda **_: tiny_dataset())
    work(tiny_job(tmp_path, 4))
    file = tmp_path / "table.csv"
    assert fidelity.main([str(file), "tiny", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "4 configurations" in printed
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    trials = [trial for trial in costed_trials(open_finished(StudyLocation("tiny", tmp_path)))]
    for row, trial in zip(rows, trials, strict=True):
        assert int(row["seed"]) == trial.seed
        assert {name: row[name] for name in trial.params} == {
            name: str(value) for name, value in trial.params.items()
        }
        reported = [result["one_shot_accuracy"] for result in trial.history]
        assert [float(row[f"accuracy_{n + 1}"]) for n in range(len(reported))] == pytest.approx(
            reported, abs=1e-5
        )
    # From the file alone it prints the same.
    picture = tmp_path / "table.png"
    assert fidelity.main([str(file), "--plot", str(picture)]) == 0
    assert capsys.readouterr().out == printed
    assert Image.open(picture).width > 1000
    # Studies of one space make one table.
    other = tiny_job(tmp_path / "other", 2).run
    work(tiny_job(tmp_path / "other", 2))
    both = fidelity.rows_of(StudyLocation("tiny", tmp_path), other.location)
    assert [row["seed"] for row in both[:4]] == [int(row["seed"]) for row in rows]
    assert len(both) == 6
    assert fidelity.main([str(file), "tiny", "tiny", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == printed
    # A table grows by what it does not have; what it has stays, also what was typed into it.
    first = file.read_text().splitlines()[1]
    file.write_text(file.read_text().replace(first, first.rsplit(",", 1)[0] + ",0.625"))
    wider = [{**both[4], "seed": 7, "net.dropout": 0.25}, *both]
    fidelity.write(wider, file)
    grown = list(csv.DictReader(file.read_text().splitlines()))
    assert [row["seed"] for row in grown] == [*(row["seed"] for row in rows), "7"]
    assert [row["net.dropout"] for row in grown] == ["", "", "", "", "0.25"]
    assert grown[0]["accuracy_3"] == "0.625"
    names = list(grown[0])
    assert (
        names.index("conv1.learning_rate")
        < names.index("net.dropout")
        < names.index("pairs_per_epoch")
    )
    # But not if their curves are of other trainings.
    shorter = {name: value for name, value in both[0].items() if name != "accuracy_3"}
    with pytest.raises(ConfigError, match="has 3 epochs of a training, the studies 2"):
        fidelity.write([shorter], file)
    longer = changed(tiny_config(), ["budget.epochs=4"])
    open_study(StudyRun(config=longer, location=StudyLocation("tiny", tmp_path / "longer")))
    with pytest.raises(
        ConfigError, match=r"budget\.epochs is 3 in study tiny, but 4 in study tiny"
    ):
        fidelity.rows_of(*(StudyLocation("tiny", tmp_path / one) for one in ("", "longer")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read as a table"),
        (b"", "accuracy_1, accuracy_2, ... should be"),
        (b"\xff\x00\x01", "cannot be read as a table"),
        (b"a,b\n1,2\n", "accuracy_1, accuracy_2, ... should be"),
        (b"seed,accuracy_1,accuracy_2\n", "accuracy_1, accuracy_2, ... should be"),
        (b"seed,accuracy_1,accuracy_2\n1,0.5\n", "should be in [0, 1] in every row"),
        (b"seed,accuracy_1,accuracy_2\n1,0.5,x\n", "cannot be read as a table"),
        (b"seed,accuracy_1\n1,0.5\n1,0.5,0.6\n", "row 2 has more cells than there are columns"),
        (b"seed,accuracy_1,accuracy_2\n1,0.5,1.5\n", "should be in [0, 1] in every row"),
    ],
)
def test_what_is_no_table_of_fidelity_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bytes | None, said: str
) -> None:
    file = tmp_path / "table.csv"
    if text is not None:
        file.write_bytes(text)
    with pytest.raises(SystemExit):
        fidelity.main([str(file)])
    told = capsys.readouterr().err
    assert str(file) in told
    assert said in told


def row(seed: int, *accuracies: float) -> dict[str, object]:
    return {"seed": seed, **{f"accuracy_{n}": each for n, each in enumerate(accuracies, 1)}}


def test_a_table_that_cannot_be_written_keeps_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "table.csv"
    fidelity.write([row(1, 0.5, 0.6)], file)
    before = file.read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(csv.DictWriter, "writerows", killed)
    with pytest.raises(KeyboardInterrupt):
        fidelity.write([row(2, 0.5, 0.6)], file)
    assert file.read_bytes() == before


def test_a_training_is_one_row_of_a_table(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    # As of a study and of a copy of it.
    fidelity.write([row(1, 0.5, 0.6), row(1, 0.5, 0.6)], file)
    once = file.read_text()
    assert once == "seed,accuracy_1,accuracy_2\n1,0.5,0.6\n"
    file.write_bytes(once.encode("utf-8-sig"))  # as a spreadsheet saves it
    fidelity.write([row(1, 0.5, 0.6), row(2, 0.1, 0.2)], file)
    assert file.read_text() == once + "2,0.1,0.2\n"


def test_trainings_that_all_end_early_fit_the_table_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = Trainer._epoch
    monkeypatch.setattr(Trainer, "_epoch", lambda *args: replace(epoch(*args), diverged=True))
    monkeypatch.setattr(hpo.training.data, "load", lambda **_: tiny_dataset())
    work(tiny_job(tmp_path, 1))
    (only,) = fidelity.rows_of(StudyLocation("tiny", tmp_path))
    assert only["accuracy_1"] == only["accuracy_2"] == only["accuracy_3"]
    assert "accuracy_4" not in only


@pytest.mark.filterwarnings("error")
def test_tables_too_small_for_a_correlation_are_printed_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, picture = tmp_path / "table.csv", tmp_path / "table.png"
    for rows, epochs in ((1, 1), (1, 3), (3, 1), (3, 3)):
        head = ",".join(f"accuracy_{n + 1}" for n in range(epochs))
        file.write_text("\n".join([head, *[",".join(["0.5"] * epochs)] * rows]))
        assert fidelity.main([str(file), "--plot", str(picture)]) == 0
        assert f"{rows} configurations, {epochs} epochs" in capsys.readouterr().out
        assert picture.stat().st_size > 10_000
        picture.unlink()


def test_a_rung_is_worth_what_its_order_says_of_the_end() -> None:
    end = np.linspace(0.3, 0.9, 12)
    values = np.stack([end[::-1] / 20, end / 2, end], 1)
    first, second, last = fidelity.correlations(values)
    assert first[1] == pytest.approx(-1)
    assert second[1] == second[2] == last[1] == pytest.approx(1)
    lost = dict(fidelity.kept(values))
    assert lost[1] == pytest.approx(end[-1] - end[3])
    assert lost[2] == lost[3] == 0
