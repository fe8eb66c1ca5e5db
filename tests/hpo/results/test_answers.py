import os
from pathlib import Path

import numpy as np
import pytest

from hpo.results.accuracy import NET
from hpo.results.answers import (
    ANSWERS,
    Answers,
    accuracies,
    as_ties,
    load_answers,
    save_answers,
)
from hpo.study.errors import StudyError
from model.evaluation.intervals import alphabet_interval, interval

BASELINE = "pixel 1-NN"


def answers(protocol: str = "n_way", way: int | None = 5, trials: int = 240) -> Answers:
    """Return answers of three seeds and one baseline on three alphabets of four characters."""
    rng = np.random.default_rng(way)
    character = np.sort(rng.integers(0, 12, (trials, 1 if way else 2)), 0)
    return Answers(
        protocol=protocol,  # type: ignore[arg-type]
        way=way,
        names=tuple(f"{alphabet}/{i}" for alphabet in ("Tengwar", "Ge_ez", "ꦗ") for i in range(4)),
        character=character,
        drawer=rng.integers(1, 21, character.shape),
        run=np.arange(trials) // 20 + 1 if protocol == "official_runs" else np.zeros(trials, int),
        left_out=("ULOG",) if way == 5 else (),
        ties={
            NET: as_ties((rng.random((3, trials)) < 0.9) / rng.choice([1, 1, 1, 3], (3, trials))),
            BASELINE: as_ties((rng.random((1, trials)) < 0.2).astype(float)),
        },
    )


WHOLE = [
    answers("official_runs", 20),
    answers(),
    answers("mnist", 10),
    answers("verification", None),
]


def test_what_is_saved_gives_the_same_answers_and_accuracies(tmp_path: Path) -> None:
    save_answers(WHOLE, tmp_path)
    found = load_answers(tmp_path)
    assert accuracies(found) == accuracies(WHOLE)
    for before, after in zip(WHOLE, found, strict=True):
        for name, value in vars(before).items():
            assert type(getattr(after, name)) is type(value)
        for name in ("protocol", "way", "names", "left_out"):
            assert getattr(after, name) == getattr(before, name)
        for name in ("character", "drawer", "run"):
            assert (getattr(after, name) == getattr(before, name)).all()
        for system, ties in before.ties.items():
            assert (after.ties[system] == ties).all()
    assert [path.name for path in tmp_path.iterdir()] == [ANSWERS]


def test_the_file_is_small(tmp_path: Path) -> None:
    """Five seeds on all that the ten test alphabets of Omniglot are asked."""
    rng = np.random.default_rng(0)
    names = tuple(f"Old_Church_Slavonic_{i // 30}/character{i % 30:02}" for i in range(300))
    tasks = []
    for protocol, way, trials in (
        ("official_runs", 20, 400),
        *(("n_way", way, 4000) for way in (2, 5, 10, 15, 20)),
        ("mnist", 10, 400),
        ("verification", None, 10_000),
    ):
        shape = trials, 1 if way else 2
        tasks.append(
            Answers(
                protocol=protocol,  # type: ignore[arg-type]
                way=way,
                names=names,
                character=rng.integers(0, 300, shape),
                drawer=rng.integers(1, 21, shape),
                run=np.zeros(trials, int),
                ties={NET: as_ties((rng.random((5, trials)) < 0.8).astype(float))},
            )
        )
    save_answers(tasks, tmp_path)
    assert os.path.getsize(tmp_path / ANSWERS) < 250_000


def test_credits_are_those_of_ties() -> None:
    credit = np.array([[1.0, 0.0, 0.5, np.float32(1 / 3), 1 / 20, np.nan]])
    ties = as_ties(credit)
    assert ties.tolist() == [[1, 0, 2, 3, 20, 255]]
    made = Answers(
        protocol="n_way",
        way=20,
        names=("a/0",),
        character=np.zeros((6, 1), int),
        drawer=np.ones((6, 1), int),
        run=np.zeros(6, int),
        ties={NET: ties},
    ).credit(NET)
    np.testing.assert_array_equal(made, [[1, 0, 1 / 2, 1 / 3, 1 / 20, np.nan]])


def test_each_alphabet_has_its_own_accuracy_of_n_way_trials() -> None:
    task = answers()
    whole, *each = task.accuracies(NET)
    assert [one.alphabet for one in each] == ["Tengwar", "Ge_ez", "ꦗ"]
    assert sum(one.trials for one in each) == whole.trials == 240
    assert whole.left_out == ["ULOG"]
    assert not each[0].left_out
    assert sum(one.characters or 0 for one in each) == whole.characters == 12
    names, alphabet = task.alphabets()
    credit = task.credit(NET)
    for index, one in enumerate(each):
        assert one.values == pytest.approx(credit[:, alphabet == index].mean(1))
        assert (one.interval, one.alphabets) == ("trials", 1)
    assert len(names) == whole.alphabets == 3
    assert [len(one.accuracies(NET)) for one in WHOLE] == [1, 4, 1, 1]


def test_intervals_are_over_alphabets_at_large_where_those_are_a_sample() -> None:
    for task in WHOLE:
        for system in task.ties:
            figure, credit = task.accuracies(system)[0], task.credit(system)
            mean, low, high = interval(credit.mean(1).tolist(), 240)
            if task.protocol == "mnist":
                assert figure.interval == "trials"
            else:
                assert figure.interval == "alphabets"
                low, high = alphabet_interval(credit, task.alphabets()[1], task.character[:, 0])
            assert (figure.mean, figure.low, figure.high) == pytest.approx((mean, low, high))
            assert figure.chance == (1 / task.way if task.way else 0.5)


def test_a_system_that_was_asked_little_has_no_accuracy_by_alphabet() -> None:
    task = answers()
    few = task.ties[BASELINE].copy()
    few[:, ::2] = 255
    task = Answers(**{**vars(task), "ties": {BASELINE: few}})
    (figure,) = task.accuracies(BASELINE)
    assert figure.trials == 120
    assert figure.values == pytest.approx([(few[0, 1::2] == 1).mean()])


def test_fits_of_earlier_versions_have_no_answers(tmp_path: Path) -> None:
    assert load_answers(tmp_path) == []


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped", "other", "pickled"])
def test_a_damaged_file_is_one_message(tmp_path: Path, damage: str) -> None:
    save_answers(WHOLE, tmp_path)
    path = tmp_path / ANSWERS
    content = path.read_bytes()
    if damage == "other":
        np.savez(path, **{"n_way-5/names": np.array(["a/0"])})
    elif damage == "pickled":
        np.savez(path, **{"n_way-5/names": np.array([{}], dtype=object)})
    else:
        # Within the first array's compressed content.
        flipped = content[:60] + bytes(40) + content[100:]
        kinds = {"empty": b"", "text": b"no", "cut": content[:-300], "flipped": flipped}
        path.write_bytes(kinds[damage])
    with pytest.raises(StudyError, match=r"answers\.npz is damaged.*fit again"):
        load_answers(tmp_path)
