"""Which pictures of a folder are whose: ``<alphabet>/<character>/<image>``, however it is wrapped.

The walk itself, what it skips and what it follows, is `data.images.listing`'s.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError
from data.images.listing import describe, listed, name_of, shown, walk

LAYOUT = "the layout is <alphabet>/<character>/<image>, or <character>/<image> for one alphabet"
ELSEWHERE = "not as deep in the folder as the others"

Tree = Mapping[str, Mapping[str, tuple[Path, ...]]]


@dataclass(frozen=True)
class FolderTree:
    """The images of a folder by alphabet and character.

    Attributes:
        tree: alphabet -> character -> its files; all sorted by name, names in normal form C.
        one_alphabet: whether the folder holds characters of a single alphabet, which is then
            called by no name at all, for a folder's own name may change.
        left_out: what is not used, by why.
        merged: what several folders are read as one under, for their names are one in normal form.
    """

    tree: Tree
    one_alphabet: bool
    left_out: Mapping[str, tuple[Path, ...]]
    merged: tuple[str, ...]


def read_tree(root: Path) -> FolderTree:
    """Return the images of ``root`` by alphabet and character.

    The level that most images lie on decides what is a character. Folders around the alphabets
    that hold nothing else, as an archive leaves them, are passed through.

    Raises:
        DataError: there are no images, or they lie in no such layout; says which folder to give.
    """
    listing = walk(root)
    folders = {image: image.relative_to(root).parts[:-1] for image in listing.images}
    if not folders:
        lines = [f"{shown(root)}: 0 images in it; {LAYOUT}", *describe(listing.left_out)]
        raise DataError("\n  ".join(lines))
    depths = Counter(map(len, folders.values()))
    depth = max(depths, key=lambda depth: (depths[depth], depth))
    if depth == 0:
        raise DataError(
            f"{shown(root)}: {depths[0]} images lie in the folder itself, so that nothing tells "
            f"which character they show; sort them into folders: {LAYOUT}"
        )
    used = {image: parts for image, parts in folders.items() if len(parts) == depth}
    around = {parts[:-2] for parts in used.values()}
    if len(around) > 1:
        choice = sorted(shown(root.joinpath(*parts)) for parts in around)
        raise DataError(
            f"{shown(root)}: the images lie {depth} folders deep; {LAYOUT}. Give the folder that "
            f"holds the alphabets, one of: {listed(choice)}"
        )
    alphabets = {tuple(name_of(Path(part)) for part in parts[:-1]) for parts in used.values()}
    tree: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    meant: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for image, parts in used.items():
        alphabet = "" if len(alphabets) == 1 else name_of(Path(parts[-2]))
        character = name_of(Path(parts[-1]))
        tree[alphabet][character].append(image)
        meant[f"{alphabet}/{character}"].add(parts)
        meant[alphabet].add(parts[:-1])
    left_out = dict(listing.left_out)
    if strays := tuple(image for image in folders if image not in used):
        left_out[ELSEWHERE] = strays
    return FolderTree(
        {
            alphabet: {
                # Two folders of one name in two normal forms are one.
                name: tuple(sorted(files, key=lambda file: (name_of(file), str(file))))
                for name, files in sorted(characters.items())
            }
            for alphabet, characters in sorted(tree.items())
        },
        one_alphabet=len(alphabets) == 1,
        left_out=left_out,
        merged=tuple(
            sorted(name.lstrip("/") for name, folders in meant.items() if len(folders) > 1)
        ),
    )
