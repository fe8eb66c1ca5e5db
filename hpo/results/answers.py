"""Every answer of a final fit's tests: the content of ``final/answers.npz``.

All accuracies and intervals of ``metrics.json`` are computed from it, and can be again.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.files.atomic import replacing
from data.files.regular import read_regular
from hpo.results.accuracy import Accuracy, Protocol
from hpo.study.errors import DamagedFitError
from model.evaluation.intervals import alphabet_interval

ANSWERS = "answers.npz"

_NOT_ASKED = 255
_COLUMNS = ("names", "character", "drawer", "run", "left_out")
_TITLES: Mapping[Protocol, str] = {
    "official_runs": "official runs, {way}-way",
    "n_way": "{way}-way, within alphabets",
    "mnist": "MNIST, {way}-way, no fine-tuning",
    "verification": "verification, same or different",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """What every system answered to T trials of one kind.

    Attributes:
        protocol: the kind, see `Accuracy`.
        way: characters in a trial's support set, None for verification.
        names: of the characters, ``<alphabet>/<character>``.
        character: ``[T, 1]``, the query's, an index into ``names``; ``[T, 2]``, of verification,
            those of the pair, both of one alphabet.
        drawer: likewise, who drew them, counted from 1.
        run: ``[T]``, the official run, from 1 to 20; 0 of other protocols.
        left_out: test alphabets that have fewer than ``way`` characters.
        ties: system -> uint8 ``[S, T]``, one row per seed: 0 for a wrong answer, 1 for the right
            one, k for the right one in a tie of k, 255 for a trial that it was not asked.
    """

    protocol: Protocol
    way: int | None
    names: tuple[str, ...]
    character: np.ndarray
    drawer: np.ndarray
    run: np.ndarray
    left_out: tuple[str, ...] = ()
    ties: Mapping[str, np.ndarray]

    def alphabets(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the alphabets' names, and each trial's, an index into them, ``[T]``."""
        of_names = [name.partition("/")[0] for name in self.names]
        known = {alphabet: index for index, alphabet in enumerate(dict.fromkeys(of_names))}
        return tuple(known), np.array([known[one] for one in of_names])[self.character[:, 0]]

    def credit(self, system: str) -> np.ndarray:
        """Return the credit of each answer in [0, 1], ``[S, T]``; NaN for what was not asked."""
        ties = self.ties[system].astype(float)
        ties[ties == _NOT_ASKED] = np.nan
        return np.divide(1.0, ties, out=ties.copy(), where=~(ties == 0))

    def accuracies(self, system: str) -> list[Accuracy]:
        """Return the system's accuracy, and for N-way trials one per alphabet.

        A system that was not asked everything has too few answers for the latter.
        """
        names, alphabet = self.alphabets()
        credit = self.credit(system)
        asked = ~np.isnan(credit[0])
        found = [self._accuracy(system, credit, asked, None)]
        if self.protocol == "n_way" and asked.all():
            found += [
                self._accuracy(system, credit, alphabet == index, name)
                for index, name in enumerate(names)
            ]
        return found

    def _accuracy(
        self, system: str, credit: np.ndarray, group: np.ndarray, name: str | None
    ) -> Accuracy:
        credit, character = credit[:, group], self.character[group, 0]
        alphabet = self.alphabets()[1][group]
        count = len(np.unique(alphabet))
        over: dict[str, Any] = {}
        if self.protocol != "mnist" and count > 1:
            low, high = alphabet_interval(credit, alphabet, character)
            over = {"low": low, "high": high, "interval": "alphabets"}
        title = _TITLES[self.protocol].format(way=self.way)
        return Accuracy.of(
            credit.mean(1).tolist(),
            trials=credit.shape[1],
            alphabets=count,
            characters=len(np.unique(character)),
            protocol=self.protocol,
            system=system,
            title=f"{title}, {name}" if name else title,
            way=self.way,
            alphabet=name,
            chance=1 / self.way if self.way else 0.5,
            left_out=[] if name else list(self.left_out),
            **over,
        )


def accuracies(answers: Sequence[Answers]) -> list[Accuracy]:
    """Return the accuracies of every system on every task."""
    return [one for task in answers for system in task.ties for one in task.accuracies(system)]


def as_ties(credit: np.ndarray) -> np.ndarray:
    """Return credits, 1/k in a tie of k, as `Answers` keeps them; NaN for what was not asked."""
    ties = np.round(np.divide(1.0, credit, out=np.zeros(credit.shape), where=credit > 0))
    return np.where(np.isnan(credit), _NOT_ASKED, ties).astype(np.uint8)


def save_answers(answers: Sequence[Answers], folder: Path) -> None:
    """Write ``answers.npz`` into a ``final`` folder, atomically."""
    arrays: dict[str, Any] = {}
    for task in answers:
        key = f"{task.protocol}-{task.way or 0}"
        for column in _COLUMNS:
            array = np.array(getattr(task, column))
            if array.dtype.kind in "iu":
                array = array.astype(np.min_scalar_type(array.max(initial=0)))
            # Of nothing, numpy makes numbers.
            arrays[f"{key}/{column}"] = array if array.size else array.astype(str)
        arrays |= {f"{key}/ties/{system}": rows for system, rows in task.ties.items()}
    with replacing(folder / ANSWERS) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_answers(folder: Path) -> list[Answers]:
    """Return the answers in a ``final`` folder; none if an earlier version fitted it.

    Raises:
        DamagedFitError: the file is damaged.
    """
    path = folder / ANSWERS
    try:
        with np.load(io.BytesIO(read_regular(path)), allow_pickle=False) as file:
            arrays = dict(file)
        return [_task(key, arrays) for key in dict.fromkeys(n.split("/")[0] for n in arrays)]
    except FileNotFoundError:
        return []
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds
        raise DamagedFitError(f"{path} is damaged ({error})") from None


def _task(key: str, arrays: Mapping[str, np.ndarray]) -> Answers:
    protocol, _, way = key.rpartition("-")
    columns: dict[str, Any] = {name: arrays[f"{key}/{name}"] for name in _COLUMNS}
    for name in ("names", "left_out"):
        columns[name] = tuple(columns[name].tolist())
    systems = f"{key}/ties/"
    ties = {n.removeprefix(systems): rows for n, rows in arrays.items() if n.startswith(systems)}
    return Answers(protocol=protocol, way=int(way) or None, ties=ties, **columns)  # type: ignore[arg-type]
