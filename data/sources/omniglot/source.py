"""Omniglot: found or fetched, checked by content, split as in the paper (section 4.1)."""

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from data.batches.one_shot import OneShotTrials
from data.dataset import PAPER_DRAWERS, Dataset
from data.drawings import Drawings
from data.errors import DataError, DataUnavailable
from data.files.archives import read_zip
from data.files.cache import cached
from data.files.download import download
from data.files.folders import cache_dir
from data.files.packed import LabelledRow, Packed, join, pack, row_of
from data.images.decode import decode_grey
from data.sources.omniglot.facts import (
    BACKGROUND,
    DRAWERS,
    EVALUATION,
    MD5,
    RUN_ALPHABETS,
    SIZE,
    SMALL1,
    SMALL2,
    URL,
    AlphabetFacts,
)
from data.sources.omniglot.runs import read_runs
from data.sources.request import Request

log = logging.getLogger("data")

# Where under the root the archives or extracted folders may lie.
FOLDERS = (
    ".",
    "omniglot-py",
    "omniglot",
    "Omniglot",
    "omniglot/python",
    "omniglot-master/python",
    "python",
)
BACKGROUND_SETS: Mapping[str, tuple[str, Mapping[str, AlphabetFacts]]] = {
    "full": ("images_background", BACKGROUND),
    "small1": ("images_background_small1", {name: BACKGROUND[name] for name in SMALL1}),
    "small2": ("images_background_small2", {name: BACKGROUND[name] for name in SMALL2}),
}
_DRAWING = re.compile(r"(?:^|/)([^/]+)/(character\d\d)/\d{4}_(\d\d)\.png$")


def load_omniglot(request: Request) -> Dataset:
    """Return Omniglot with the split of Koch et al., section 4.1, and the official runs.

    Train: the background alphabets. Test: the ten alphabets of the official runs. Validation:
    the other ten of the evaluation set. Drawers 1 to 12 train, 13 to 16 validate, all test.
    The official runs were drawn by drawers 1 to 8, so that the split by drawers holds strictly
    for training and validation only. With ``only_background`` there is the background set alone.

    Raises:
        DataUnavailable: it is neither found nor to be had.
        DataError: what is found is cut off or altered; the message says where.
    """
    name, facts = BACKGROUND_SETS[request.background]
    parts = [load_part(locate(name, request), facts)]
    validation: tuple[str, ...] = ()
    if not request.only_background:
        parts.append(load_part(locate("images_evaluation", request), EVALUATION))
        validation = tuple(name for name in sorted(EVALUATION) if name not in RUN_ALPHABETS)
    drawings = join(parts, request.size)
    return Dataset(
        name="omniglot" if request.background == "full" else f"omniglot-{request.background}",
        drawings=drawings,
        alphabets={
            "train": parts[0].alphabet_names,
            "validation": validation,
            "test": RUN_ALPHABETS if validation else (),
        },
        drawers=PAPER_DRAWERS,
        digest=hashlib.sha256(" ".join(part.digest for part in parts).encode()).hexdigest(),
        official_runs=_runs(request, parts[1], drawings) if validation else None,
    )


def locate(name: str, request: Request) -> Path:
    """Return the zip archive or extracted folder called ``name``, fetching it where allowed.

    Raises:
        DataUnavailable: it is not under the root and cannot be had.
    """
    for root in (request.root, cache_dir()):
        for folder in FOLDERS:
            for path in (root / folder / f"{name}.zip", root / folder / name):
                if path.is_file() if path.suffix else path.is_dir():
                    return path
    if not request.download:
        raise DataUnavailable(
            f"{name}.zip is not under {request.root}; put it there, or allow the download of "
            f"{URL.format(name=name)}"
        )
    target = cache_dir() / "omniglot-py" / f"{name}.zip"
    return download(URL.format(name=name), target, MD5.get(name), request.root)


def found_in(request: Request) -> Path | None:
    """Return the folder that the background set is read from; None where it is to be fetched."""
    name, _ = BACKGROUND_SETS[request.background]
    try:
        return locate(name, replace(request, download=False)).parent
    except DataUnavailable:
        return None


def load_part(path: Path, facts: Mapping[str, AlphabetFacts]) -> Packed:
    """Return one of Omniglot's sets from its archive or extracted folder, by way of the cache.

    Raises:
        DataError: it is damaged, or its content is not that of ``facts``.
    """

    def build() -> Packed:
        rows = list(_rows(path))
        check(rows, facts, path)
        return pack(rows, SIZE, binary=True)

    return cached(path.stem, str(path.resolve()), _state(path), build)


def _runs(request: Request, evaluation: Packed, drawings: Drawings) -> OneShotTrials | None:
    """Return the official runs over ``drawings``, of which the last are the evaluation set."""
    try:
        path = locate("all_runs", request)
    except DataUnavailable as error:
        log.warning(
            "The official one-shot runs are missing, so nothing is scored on them. %s", error
        )
        return None
    query, support, answer = map(torch.from_numpy, read_runs(_files(path), str(path), evaluation))
    begin = len(drawings) - len(evaluation)
    return OneShotTrials(drawings, query + begin, support + begin, answer)


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the archive or folder, without the leavings of other systems."""
    if path.is_file():
        # A true archive has entries of less than a kilobyte, 5 MB in all.
        yield from read_zip(
            path,
            lambda name: "__MACOSX" not in name and "/." not in name,
            max_entry_bytes=1_000_000,
            max_total_bytes=200_000_000,
        )
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.name.startswith("."):
            yield file.relative_to(path).as_posix(), file.read_bytes()


def _state(path: Path) -> str:
    """What changes when the content does, without reading it all."""
    files = [path] if path.is_file() else sorted(path.rglob("*.png"))
    status = ((file, file.stat()) for file in files)
    return "\n".join(f"{file.name} {s.st_size} {s.st_mtime_ns}" for file, s in status)


def _rows(path: Path) -> Iterator[LabelledRow]:
    for name, content in _files(path):
        if found := _DRAWING.search(name):
            grey = decode_grey(content, f"{path}: {name}", SIZE * SIZE)
            if grey.shape != (SIZE, SIZE):
                raise DataError(
                    f"{path}: {name} is {grey.shape[1]} x {grey.shape[0]} pixels, not 105"
                )
            yield LabelledRow(found[1], found[2], int(found[3]), row_of(255 - grey, True))


def check(rows: Iterable[LabelledRow], facts: Mapping[str, AlphabetFacts], where: Path) -> None:
    """Compare what was read with what a true copy holds.

    Raises:
        DataError: an alphabet, character or drawing is missing, doubled or altered; says which.
    """
    found: dict[str, dict[tuple[str, int], np.ndarray]] = defaultdict(dict)
    for row in rows:
        place = (row.character, row.drawer)
        if place in found[row.alphabet]:
            raise DataError(
                f"{where}: {row.alphabet}/{row.character} has drawer {row.drawer} twice"
            )
        found[row.alphabet][place] = row.row
    again = "the copy is incomplete or altered; get it again"
    if missing := sorted(set(facts) - set(found)):
        raise DataError(
            f"{where}: {len(missing)} of {len(facts)} alphabets missing ({', '.join(missing)}); "
            f"{again}"
        )
    if extra := sorted(set(found) - set(facts)):
        raise DataError(
            f"{where}: alphabets that do not belong there ({', '.join(extra)}); {again}"
        )
    for alphabet, (characters, digest) in facts.items():
        drawings = found[alphabet]
        expected = {
            (f"character{character:02d}", drawer)
            for character in range(1, characters + 1)
            for drawer in range(1, DRAWERS + 1)
        }
        for what, odd in (("lacks", expected - set(drawings)), ("adds", set(drawings) - expected)):
            if odd:
                character, drawer = min(odd)
                raise DataError(
                    f"{where}: {alphabet} {what} {len(odd)} of {len(expected)} drawings, "
                    f"first {character} by drawer {drawer:02d}; {again}"
                )
        sha = hashlib.sha256()
        for character, drawer in sorted(drawings):
            sha.update(f"{character}/{drawer:02d}".encode())
            sha.update(drawings[character, drawer].tobytes())
        if sha.hexdigest()[:32] != digest:
            raise DataError(
                f"{where}: the pixels of {alphabet} differ (digest {sha.hexdigest()[:32]}, "
                f"a true copy has {digest}); {again}"
            )
