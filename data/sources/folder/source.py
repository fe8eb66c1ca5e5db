"""A folder of the user's own: ``<alphabet>/<character>/<image>``, or ``<character>/<image>``."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from data.dataset import ROLES, Dataset, OwnFolder, Role
from data.errors import DataError
from data.files.cache import cached
from data.files.packed import LabelledRow, Packed, join, pack, row_of
from data.images.ink import read_ink
from data.images.listing import describe, name_of, shown
from data.sources.folder.shares import (
    MIN_ALPHABETS,
    MIN_CHARACTERS,
    Drawers,
    drawers_of,
    share_alphabets,
    share_characters,
    share_drawers,
)
from data.sources.folder.tree import LAYOUT, FolderTree, Tree, listed, read_tree
from data.sources.request import Request

SIZE = 105  # pixels, after Omniglot
MIN_DRAWINGS = 2  # a "same" pair needs two
MOSTLY = 0.5  # with a larger part blank, the pictures are of a kind that is not understood here
READING = 3  # counted up when pictures are read to other ink, so that no cache keeps the old


def load_folder(request: Request) -> Dataset:
    """Return the drawings of the folder ``request.dataset``.

    Any pictures: see `read_ink`; blank ones are left out. The layout is that of `read_tree`,
    drawers and roles are those of ``data.sources.folder.shares``. Where the folder lies, what it is
    called, and in which normal form its names are written changes nothing.

    Raises:
        DataError: there is too little in it, pictures cannot be read, or most are blank; all that
            are meant are named.
    """
    root = Path(request.dataset)
    found = read_tree(root)
    counts = {key: len(file) for key, file in _files(found.tree).items()}
    _refuse_too_few(root, found.tree, counts)
    tree, alphabets = _roles(root, found)
    drawers, named = drawers_of(tree, request.drawer_names)
    packed = cached(
        "folder",
        shown(root.resolve()),
        _state(root, tree, request),
        lambda: _read(root, tree, drawers, request),
    )
    file_of = {
        (f"{alphabet}/{character}", drawer): file
        for (alphabet, character), files in _files(tree).items()
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
        else dict.fromkeys(ROLES, everyone),
        digest=packed.digest,
        own=OwnFolder(
            path=Path(os.path.abspath(root)),
            remarks=tuple(_remarks(found, packed, named)),
            files=tuple(
                file_of[packed.character_names[c], int(d)]
                for c, d in zip(packed.character, packed.drawer, strict=True)
            ),
        ),
    )


def _files(tree: Tree) -> dict[tuple[str, str], tuple[Path, ...]]:
    return {(a, c): files for a, characters in tree.items() for c, files in characters.items()}


def _roles(root: Path, found: FolderTree) -> tuple[Tree, dict[Role, tuple[str, ...]]]:
    """Return the tree, a single alphabet split into one for each role, and the roles' alphabets."""
    sizes = {alphabet: len(characters) for alphabet, characters in found.tree.items()}
    try:
        if not found.one_alphabet:
            return found.tree, share_alphabets(sizes)
        (characters,) = found.tree.values()
        shares = share_characters(characters)
    except DataError as error:
        raise DataError(
            "\n  ".join([f"{shown(root)}: {error}", *describe(found.left_out)])
        ) from None
    tree: Tree = {role: {name: characters[name] for name in shares[role]} for role in ROLES}
    return tree, {role: (role,) for role in ROLES}


def _drawn(packed: Packed) -> dict[str, list[frozenset[int]]]:
    """Return, by alphabet, the drawers of each of its characters."""
    drawn: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for a, c, d in zip(packed.alphabet, packed.character, packed.drawer, strict=True):
        drawn[packed.alphabet_names[a]][c].add(int(d))
    return {name: [*map(frozenset, characters.values())] for name, characters in drawn.items()}


def _refuse_too_few(root: Path, tree: Tree, counts: Mapping[tuple[str, str], int]) -> None:
    """Refuse too few alphabets, characters or drawings; ``counts`` are of drawings that count."""
    if 1 < len(tree) < MIN_ALPHABETS:
        raise DataError(
            f"{shown(root)}: {len(tree)} alphabets with images; at least {MIN_ALPHABETS} are "
            f"needed, to train, validate and test; {LAYOUT}"
        )
    files = _files(tree)
    few = [
        f"{shown(next(iter(characters.values()))[0].parent.parent)}: {len(characters)} character "
        f"with images; at least {MIN_CHARACTERS} are needed; {LAYOUT}"
        for characters in tree.values()
        if len(characters) < MIN_CHARACTERS
    ]
    for key, count in counts.items():
        if count < MIN_DRAWINGS:
            folder, of = shown(files[key][0].parent), len(files[key])
            seen = "" if count == of else f" of {of}, the others being blank"
            few.append(
                f"{folder}: {count} drawing{'s' * (count != 1)}{seen}; "
                f"at least {MIN_DRAWINGS} are needed"
            )
    if few:
        raise DataError(listed(few, "\n  "))


def _read(root: Path, tree: Tree, drawers: Drawers, request: Request) -> Packed:
    """Return the drawings of all pictures that are not blank.

    Raises:
        DataError: some cannot be read, most are blank, or too few are not.
    """
    files = _files(tree)
    total = sum(map(len, files.values()))
    rows, bad, blank = [], [], []
    counts: Counter[tuple[str, str]] = Counter(dict.fromkeys(files, 0))
    for i, ((alphabet, character), file, drawer) in enumerate(_pictures(files, drawers), 1):
        try:
            ink = read_ink(file, SIZE, shown(file))
        except DataError as error:
            bad.append(str(error))
        else:
            if ink.any():
                rows.append(LabelledRow(alphabet, character, drawer, row_of(ink, False)))
                counts[alphabet, character] += 1
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
    _refuse_too_few(root, tree, counts)
    return replace(pack(rows, SIZE, binary=False), blank=tuple(blank))


def _pictures(
    files: Mapping[tuple[str, str], tuple[Path, ...]], drawers: Drawers
) -> Iterator[tuple[tuple[str, str], Path, int]]:
    for key, images in files.items():
        for file, drawer in zip(images, drawers[key], strict=True):
            yield key, file, drawer


def _remarks(found: FolderTree, packed: Packed, named: bool) -> Iterator[str]:
    if found.one_alphabet:
        yield "a single alphabet: its characters are shared out to train, validate and test"
    yield (
        "drawers: by the numbers at the ends of the names"
        if named
        else "drawers: not in the names, so a drawing's place in its folder stands for one"
    )
    if packed.blank:
        total = len(packed) + len(packed.blank)
        yield f"{len(packed.blank)} of {total:,} left out, blank: {listed(packed.blank)}"
    yield from describe(found.left_out)


def _state(root: Path, tree: Tree, request: Request) -> str:
    files = (file for files in _files(tree).values() for file in files)
    status = ((shown(file.relative_to(root)), file.stat()) for file in files)
    lines = (f"{name} {s.st_size} {s.st_mtime_ns}" for name, s in status)
    return "\n".join([f"{READING} {request.drawer_names}", *lines])
