"""A folder of the user's own: ``<alphabet>/<character>/<image>``."""

import hashlib
import logging
import re
from pathlib import Path

from data.dataset import Dataset, Role
from data.errors import DataError
from data.files.cache import cached
from data.files.images import SUFFIXES
from data.files.ink import read_ink
from data.files.packed import LabelledRow, Packed, join, pack, row_of
from data.sources.request import Request

log = logging.getLogger("data")

SIZE = 105  # pixels, after Omniglot
MIN_ALPHABETS = 3  # one for each role
MIN_CHARACTERS = 2  # a "different" pair needs two
MIN_DRAWINGS = 2  # a "same" pair needs two
# With fewer candidates chance alone is right above 20 %, and one-shot accuracy says little.
MIN_CANDIDATES = 5
MIN_DRAWERS = 6  # below that each role cannot have two of its own, so that all share all
_DRAWER = re.compile(r"_(\d{1,6})$")

Tree = dict[str, dict[str, list[Path]]]


def load_folder(request: Request) -> Dataset:
    """Return the drawings of the folder ``request.dataset``.

    Any pictures: see `read_ink`. The drawer is the ``_NN`` at the end of the file
    names where all of a character's have one, as in Omniglot, else the rank among them. About
    60 % of the alphabets train, 20 % validate, 20 % test, at least one each, by a hash of their
    names: the same whatever the order on disk. Drawers are shared out likewise, in order of
    their numbers, where there are at least six; with fewer, every role has all of them.

    Raises:
        DataError: too little in it, or a picture that cannot be read; says how much is needed.
    """
    root = Path(request.dataset)
    tree = scan(root)
    alphabets = share_alphabets({name: len(characters) for name, characters in tree.items()})

    def build() -> Packed:
        rows = (
            LabelledRow(alphabet, character, drawer, row_of(read_ink(file, SIZE), False))
            for alphabet, characters in tree.items()
            for character, files in characters.items()
            for drawer, file in zip(drawers_of(files), files)
        )
        return pack(rows, SIZE, binary=False)

    packed = cached("folder", str(root.resolve()), _state(root, tree), build)
    return Dataset(
        name=root.resolve().name,
        drawings=join([packed], request.size),
        alphabets=alphabets,
        drawers=share_drawers(sorted(map(int, set(packed.drawer)))),
        digest=packed.digest,
    )


def scan(root: Path) -> Tree:
    """Return the folder's images by alphabet and character, all sorted by name.

    Hidden files, files that are no images, and links that lead out of the folder are left out.

    Raises:
        DataError: there is too little.
    """
    inside = root.resolve()
    tree = {
        alphabet.name: {
            character.name: images
            for character in _folders(alphabet, inside)
            if (images := _images(character, inside))
        }
        for alphabet in _folders(root, inside)
    }
    tree = {name: characters for name, characters in tree.items() if characters}
    layout = "the layout is <alphabet>/<character>/<image>"
    if len(tree) < MIN_ALPHABETS:
        raise DataError(
            f"{root}: {len(tree)} alphabets with images; at least {MIN_ALPHABETS} are needed, to "
            f"train, validate and test; {layout}"
        )
    for alphabet, characters in tree.items():
        if len(characters) < MIN_CHARACTERS:
            raise DataError(
                f"{root / alphabet}: {len(characters)} character with images; "
                f"at least {MIN_CHARACTERS} are needed; {layout}"
            )
        for character, files in characters.items():
            if len(files) < MIN_DRAWINGS:
                raise DataError(
                    f"{root / alphabet / character}: {len(files)} drawing; "
                    f"at least {MIN_DRAWINGS} are needed"
                )
    return tree


def drawers_of(files: list[Path]) -> list[int]:
    """Return each file's drawer, from 1: its name's trailing number, else its rank."""
    found = [_DRAWER.search(file.stem) for file in files]
    numbers = [int(match[1]) for match in found if match]
    if len(set(numbers)) == len(files) and min(numbers) >= 1:
        return numbers
    return list(range(1, len(files) + 1))


def share_alphabets(characters: dict[str, int]) -> dict[Role, tuple[str, ...]]:
    """Share alphabets out to the roles, given how many characters each has.

    Raises:
        DataError: fewer than two alphabets have enough characters to validate and test.
    """
    by_hash = sorted(characters, key=lambda name: hashlib.sha256(name.encode()).digest())
    able = [name for name in by_hash if characters[name] >= MIN_CANDIDATES]
    if len(able) < 2:
        raise DataError(
            f"{len(able)} alphabets have at least {MIN_CANDIDATES} characters; 2 such are needed, "
            "one to validate and one to test"
        )
    each = max(1, min(round(0.2 * len(characters)), len(able) // 2))
    test, validation = able[:each], able[each : 2 * each]
    return {
        "train": tuple(sorted(set(characters) - set(test) - set(validation))),
        "validation": tuple(sorted(validation)),
        "test": tuple(sorted(test)),
    }


def share_drawers(drawers: list[int]) -> dict[Role, tuple[int, ...]]:
    """Share drawers out to the roles, at least two each, or all to all where they are few."""
    everyone = tuple(drawers)
    if len(everyone) < MIN_DRAWERS:
        return {"train": everyone, "validation": everyone, "test": everyone}
    each = max(2, round(0.2 * len(everyone)))
    rest = len(everyone) - 2 * each
    return {
        "train": everyone[:rest],
        "validation": everyone[rest : rest + each],
        "test": everyone[rest + each :],
    }


def _entries(folder: Path, inside: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error
    kept = []
    for entry in entries:
        if entry.name.startswith((".", "__MACOSX")):
            continue
        if entry.is_symlink() and not entry.resolve().is_relative_to(inside):
            log.debug("%s leads out of the folder; left out", entry)
            continue
        kept.append(entry)
    return kept


def _folders(folder: Path, inside: Path) -> list[Path]:
    return [entry for entry in _entries(folder, inside) if entry.is_dir()]


def _images(folder: Path, inside: Path) -> list[Path]:
    files = [entry for entry in _entries(folder, inside) if entry.is_file()]
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    if len(images) < len(files):
        log.debug("%s: %d files are no images; left out", folder, len(files) - len(images))
    return images


def _state(root: Path, tree: Tree) -> str:
    files = (
        file for characters in tree.values() for images in characters.values() for file in images
    )
    status = ((file, file.stat()) for file in files)
    return "\n".join(f"{file.relative_to(root)} {s.st_size} {s.st_mtime_ns}" for file, s in status)
