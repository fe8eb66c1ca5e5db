"""Lake's 20 official one-shot runs, found again in the evaluation set by their pixels."""

import hashlib
import re
from collections.abc import Iterable

import numpy as np

from data.errors import DataError
from data.files.packed import Packed, row_of
from data.images.decode import decode_grey
from data.sources.omniglot.facts import RUNS_DIGEST, SIZE

RUNS, WAY = 20, 20
_DRAWING = re.compile(r"(?:^|/)(run\d\d)/((?:test/item|training/class)\d\d\.png)$")
_LABELS = re.compile(r"(?:^|/)(run\d\d)/class_labels\.txt$")
_LABELS_BYTES = 10_000
"""Ten times what a true list of labels has: as lists of words it takes 50 times its size."""


def read_runs(
    files: Iterable[tuple[str, bytes]], where: str, evaluation: Packed
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the runs' ``query [400]``, ``support [400, 20]`` and ``answer [400]``, run01 first.

    Query and support are rows of ``evaluation``; queries stand in the order of
    ``class_labels.txt``, supports in the order of their file names.

    Args:
        files: names and contents of ``all_runs``.
        where: what errors call it.
        evaluation: the evaluation set at full size.

    Raises:
        DataError: a run or drawing is missing, unlike the evaluation set, or labelled otherwise.
    """
    row_at = {row.tobytes(): index for index, row in enumerate(evaluation.rows)}
    index_of: dict[str, int] = {}
    labels: dict[str, list[list[str]]] = {}
    for name, content in files:
        if found := _DRAWING.search(name):
            grey = decode_grey(content, f"{where}: {name}", SIZE * SIZE)
            index = row_at.get(row_of(255 - grey, True).tobytes())
            if index is None:
                raise DataError(f"{where}: {name} is no drawing of the evaluation set")
            index_of["/".join(found.groups())] = index
        elif found := _LABELS.search(name):
            if len(content) > _LABELS_BYTES:
                raise DataError(f"{where}: {name} has {len(content):,} bytes; get it again")
            lines = content.decode("ascii", "replace").splitlines()
            labels[found[1]] = [line.split() for line in lines if line.strip()]
    query, support, answer = [], [], []
    try:
        for run in (f"run{number:02d}" for number in range(1, RUNS + 1)):
            classes = [f"{run}/training/class{number:02d}.png" for number in range(1, WAY + 1)]
            for item, right in labels[run]:
                query.append(index_of[item])
                support.append([index_of[name] for name in classes])
                answer.append(classes.index(right))
    except (KeyError, ValueError) as error:
        raise DataError(f"{where}: {error} is missing or mislabelled; get it again") from error
    trials = np.array(query, np.int64), np.array(support, np.int64), np.array(answer, np.int64)
    if runs_digest(evaluation, *trials) != RUNS_DIGEST:
        raise DataError(f"{where}: these are not the 20 official runs; get it again")
    return trials


def runs_digest(
    evaluation: Packed, query: np.ndarray, support: np.ndarray, answer: np.ndarray
) -> str:
    """Return the SHA-256 over the trials, in order, of ``"<query> <answer> <supports...>"`` lines.

    A drawing is ``"<alphabet>/<character>/<drawer>"``, the answer its place in the support from 0.
    """
    names = [
        f"{evaluation.character_names[character]}/{drawer:02d}"
        for character, drawer in zip(evaluation.character, evaluation.drawer)
    ]
    lines = (
        f"{names[q]} {a} {' '.join(names[s] for s in row)}\n"
        for q, row, a in zip(query, support, answer)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()
