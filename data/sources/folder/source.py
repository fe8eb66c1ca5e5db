"""A folder of the user's own: ``<alphabet>/<character>/<image>``, or ``<character>/<image>``."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.dataset import ROLES, Dataset, OwnFolder, Role
from data.errors import DataError
from data.files.cache import cached
from data.files.packed import LabelledRow, Packed, join, pack, row_of
from data.images.ink import read_ink
from data.images.listing import describe, listed, name_of, shown
from data.sources.folder.shares import (
    MIN_ALPHABETS,
    MIN_CHARACTERS,
    Drawers,
    drawers_of,
    share_alphabets,
    share_characters,
    share_drawers,
)
from data.sources.folder.tree import LAYOUT, FolderTree, Tree, read_tree
from data.sources.request import Request

SIZE = 105  # pixels, after Omniglot
MIN_DRAWINGS = 2  # a "same" pair needs two
MOSTLY = 0.5  # with a larger part blank, the pictures are of a kind that is not understood here
READING = 3  # counted up when pictures are read to other ink, so that no cache keeps the old


def load_folder(request: Request) -> Dataset:
    """Return the drawings of the folder ``request.dataset``.

    Any pictures: see `read_ink`; blank ones are left out, and then what has too few drawings. The
    layout is that of `read_tree`, drawers and roles are those of ``data.sources.folder.shares``.
    Where the folder lies, what it is called, and in which normal form its names are written changes
    nothing.

    Raises:
        DataError: there is too little in it, pictures cannot be read, or most are blank; all that
            are meant are named.
    """
    root = Path(request.dataset)
    found = read_tree(root)
    tree = _enough(found.tree, {key: len(files) for key, files in _files(found.tree).items()})
    _roles(root, found, tree)  # what is refused is refused before anything is read
    drawers, named = drawers_of(tree, request.drawer_names)
    packed = cached(
        "folder",
        shown(root.resolve()),
        _state(root, tree, request),
        lambda: _read(root, found, tree, drawers, request),
    )
    own_names = [_own_name(found, packed.character_names[c]) for c in packed.character]
    kept = _enough(tree, Counter(own_names))
    _, alphabets = _roles(root, found, kept)
    file_of = {
        ("" if found.one_alphabet else alphabet, character, drawer): file
        for (alphabet, character), files in _files(kept).items()
        for drawer, file in zip(drawers[alphabet, character], files, strict=True)
    }
    everyone = tuple(sorted(set(packed.drawer.tolist())))
    return Dataset(
        name=name_of(root.resolve()),
        drawings=join([packed], request.size),
        alphabets=alphabets,
        # A rank says nothing of who drew, so that keeping some from a role would be mere loss.
        drawers=share_drawers(_drawn(packed), alphabets)
        if named
        else {"train": everyone, "validation": everyone},
        digest=packed.digest,
        own=OwnFolder(
            path=Path(os.path.abspath(root)),
            remarks=tuple(_remarks(found, tree, kept, packed, named)),
            files=tuple(
                file_of[*name, int(d)] for name, d in zip(own_names, packed.drawer, strict=True)
            ),
        ),
    )


def _files(tree: Tree) -> dict[tuple[str, str], tuple[Path, ...]]:
    return {(a, c): files for a, characters in tree.items() for c, files in characters.items()}


def _enough(tree: Tree, counts: Mapping[tuple[str, str], int]) -> Tree:
    """Return what has enough drawings, of which each character has ``counts``, and characters."""
    kept = {
        a: {c: files for c, files in characters.items() if counts[a, c] >= MIN_DRAWINGS}
        for a, characters in tree.items()
    }
    return {a: characters for a, characters in kept.items() if len(characters) >= MIN_CHARACTERS}


def _own_name(found: FolderTree, name: str) -> tuple[str, str]:
    """Return alphabet and character as in the folder; a single alphabet was split into roles."""
    alphabet, _, character = name.partition("/")
    return ("" if found.one_alphabet else alphabet), character


def _roles(root: Path, found: FolderTree, tree: Tree) -> tuple[Tree, dict[Role, tuple[str, ...]]]:
    """Return the tree, a single alphabet split into one for each role, and the roles' alphabets.

    Raises:
        DataError: there are too few alphabets or characters.
    """
    try:
        if found.one_alphabet:
            characters = tree.get("", {})
            shares = share_characters(characters)
            split: Tree = {
                role: {name: characters[name] for name in shares[role]} for role in ROLES
            }
            return split, {role: (role,) for role in ROLES}
        if len(tree) < MIN_ALPHABETS:
            raise DataError(
                f"{len(tree)} alphabet{'s' * (len(tree) != 1)} with images enough; "
                f"at least {MIN_ALPHABETS} are needed, to train, validate and test; {LAYOUT}"
            )
        return tree, share_alphabets({a: len(characters) for a, characters in tree.items()})
    except DataError as error:
        lines = [f"{shown(root)}: {error}", *_too_few(found.tree, tree), *describe(found.left_out)]
        raise DataError("\n  ".join(lines)) from None


def _drawn(packed: Packed) -> dict[str, list[frozenset[int]]]:
    """Return, by alphabet, the drawers of each of its characters."""
    drawn: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for a, c, d in zip(packed.alphabet, packed.character, packed.drawer, strict=True):
        drawn[packed.alphabet_names[a]][c].add(int(d))
    return {name: [*map(frozenset, characters.values())] for name, characters in drawn.items()}


def _too_few(tree: Tree, kept: Tree) -> Iterator[str]:
    """Yield what was left out because there is too little of it."""
    gone = {
        alphabet: [name for name in characters if name not in kept.get(alphabet, {})]
        for alphabet, characters in tree.items()
    }
    alphabets = [alphabet for alphabet in tree if alphabet and alphabet not in kept]
    characters = [
        f"{alphabet}/{name}".lstrip("/")
        for alphabet, names in gone.items()
        if alphabet not in alphabets
        for name in names
    ]
    for what, names, needed in (
        ("character", characters, f"{MIN_DRAWINGS} drawings"),
        ("alphabet", alphabets, f"{MIN_CHARACTERS} characters of {MIN_DRAWINGS} drawings"),
    ):
        if names:
            yield (
                f"{len(names)} {what}{'s' * (len(names) != 1)} left out, without the {needed} "
                f"that are needed: {listed(names)}"
            )


def _read(root: Path, found: FolderTree, tree: Tree, drawers: Drawers, request: Request) -> Packed:
    """Return the drawings of all pictures that are not blank, of characters with enough of them.

    Raises:
        DataError: some cannot be read, most are blank, or too few are not.
    """
    files = _files(tree)
    total = sum(map(len, files.values()))
    bad, blank = [], []
    rows: dict[tuple[str, str], list[tuple[int, np.ndarray]]] = {key: [] for key in files}
    pictures = (
        (key, file, drawer)
        for key, images in files.items()
        for file, drawer in zip(images, drawers[key], strict=True)
    )
    for i, (key, file, drawer) in enumerate(pictures, 1):
        try:
            ink = read_ink(file, SIZE, shown(file))
        except DataError as error:
            bad.append(str(error))
        else:
            if ink.any():
                rows[key].append((drawer, row_of(ink, False)))
            else:
                blank.append(shown(file.relative_to(root)))
        if request.progress:
            request.progress(i, total)
    if bad:
        many = f"{len(bad)} of {total:,} images cannot be read; mend or remove them:\n  "
        raise DataError(
            f"{shown(root)}: {many}{listed(bad, chr(10) + '  ')}" if bad[1:] else bad[0]
        )
    if len(blank) > MOSTLY * total:
        raise DataError(
            f"{shown(root)}: on {len(blank)} of {total:,} images there is nothing to see, which "
            f"is most of them: {listed(blank)}; save them as dark strokes on light paper"
        )
    kept, _ = _roles(root, found, _enough(tree, {key: len(own) for key, own in rows.items()}))
    labelled = (
        LabelledRow(alphabet, character, drawer, row)
        for alphabet, character in _files(kept)
        for drawer, row in rows["" if found.one_alphabet else alphabet, character]
    )
    return replace(pack(labelled, SIZE, binary=False), blank=tuple(blank))


def _remarks(
    found: FolderTree, tree: Tree, kept: Tree, packed: Packed, named: bool
) -> Iterator[str]:
    if found.one_alphabet:
        yield "a single alphabet: its characters are shared out to train, validate and test"
    yield (
        "drawers: by the numbers at the ends of the names"
        if named
        else "drawers: not in the names, so a drawing's place in its folder stands for one"
    )
    if found.merged:
        yield (
            "folders of one name, written in several Unicode forms, are read as one: "
            f"{listed(found.merged)}"
        )
    if packed.blank:
        total = sum(map(len, _files(tree).values()))
        yield f"{len(packed.blank)} of {total:,} left out, blank: {listed(packed.blank)}"
    yield from _too_few(found.tree, kept)
    yield from describe(found.left_out)


def _state(root: Path, tree: Tree, request: Request) -> str:
    files = (file for files in _files(tree).values() for file in files)
    status = ((shown(file.relative_to(root)), file.stat()) for file in files)
    lines = (f"{name} {s.st_size} {s.st_mtime_ns}" for name, s in status)
    return "\n".join([f"{READING} {request.drawer_names}", *lines])
