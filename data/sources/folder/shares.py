"""Who drew what in a folder of the user's own, and which alphabets and drawers take which role."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from data.dataset import DrawerShares, Role
from data.errors import DataError
from data.images.listing import listed, shown, stem_of
from data.sources.folder.tree import Tree
from data.sources.request import DrawerNames

MIN_ALPHABETS = 3  # one for each role
MIN_CHARACTERS = 2  # a "different" pair needs two
# With fewer candidates chance alone is right above 20 %, and one-shot accuracy says little.
MIN_CANDIDATES = 5
MIN_DRAWERS = 10  # below that a role's own drawers would be two of a handful: all share all
_REGULAR = 0.2  # a drawer's number recurs in many characters, a camera's counter in one
_FILLED = 0.9
_DRAWER = re.compile(r"_(\d{1,6})$")

Drawers = Mapping[tuple[str, str], Sequence[int]]


def drawers_of(tree: Tree, how: DrawerNames = "auto") -> tuple[Drawers, bool]:
    """Return each file's drawer, from 1, by alphabet and character; and whether names tell them.

    A name tells its drawer by the ``_NN`` at its end, as Omniglot's do: ``0001_07.png``. ``auto``
    believes that where the same few numbers recur from character to character, so not for
    ``IMG_1234`` or ``20240305_112338``. Without such names a drawing's rank among its character's,
    in order of their names, stands for the drawer.

    Raises:
        DataError: ``how`` is ``names``, and a name has no number, or a number comes twice.
    """
    files = {(a, c): images for a, characters in tree.items() for c, images in characters.items()}
    told = {key: _numbers(images) for key, images in files.items()}
    untold = [shown(file) for key in files if told[key] is None for file in files[key]]
    if how == "names" and untold:
        raise DataError(
            "--drawer-names names: every image's name has to end in _NN, a number from 1 that "
            f"is in its folder once; not so where {len(untold)} image{'s' * (len(untold) != 1)} "
            f"lie{'s' * (len(untold) == 1)}: {listed(untold)}; rename them, or give "
            "--drawer-names auto or rank"
        )
    named = how == "names" or (how == "auto" and _regular(files, told))
    drawers = {
        key: (named and told[key]) or list(range(1, len(images) + 1))
        for key, images in files.items()
    }
    return drawers, named


def share_alphabets(characters: Mapping[str, int]) -> dict[Role, tuple[str, ...]]:
    """Share alphabets out to the roles, given how many characters each has.

    About 60 % of them train, 20 % validate, 20 % test, by a hash of their names: the same
    whatever their order.

    Raises:
        DataError: fewer than two alphabets have enough characters to validate and test.
    """
    by_hash = _by_hash(characters)
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


def share_characters(characters: Iterable[str]) -> dict[Role, tuple[str, ...]]:
    """Share the characters of a single alphabet out, likewise: each role needs its own.

    Raises:
        DataError: there are too few.
    """
    by_hash = _by_hash(characters)
    needed = 2 * MIN_CANDIDATES + MIN_CHARACTERS
    if len(by_hash) < needed:
        raise DataError(
            f"{len(by_hash)} characters of a single alphabet; at least {needed} are needed, "
            f"{MIN_CHARACTERS} to train, {MIN_CANDIDATES} to validate and {MIN_CANDIDATES} to "
            f"test, or {MIN_ALPHABETS} alphabets: <alphabet>/<character>/<image>"
        )
    each = max(MIN_CANDIDATES, round(0.2 * len(by_hash)))
    return {
        "train": tuple(sorted(by_hash[2 * each :])),
        "validation": tuple(sorted(by_hash[each : 2 * each])),
        "test": tuple(sorted(by_hash[:each])),
    }


def share_drawers(
    drawn: Mapping[str, Sequence[frozenset[int]]], alphabets: Mapping[Role, Sequence[str]]
) -> DrawerShares:
    """Share drawers out: 60 % train, 20 % validate, the last 20 % neither, by their numbers.

    All do both where those who drew most characters are fewer than ten, or where some character
    would be left without two drawings by its role's own. A drawer of only a few characters trains.

    Args:
        drawn: alphabet -> the drawers of each of its characters.
        alphabets: which alphabets take which role.
    """
    characters = [drawers for each in drawn.values() for drawers in each]
    count = Counter(drawer for drawers in characters for drawer in drawers)
    everyone = tuple(sorted(count))
    common = [drawer for drawer in everyone if 2 * count[drawer] >= len(characters)]
    each = max(2, round(0.2 * len(common)))
    rest = len(common) - 2 * each
    train = tuple(sorted(set(everyone) - set(common[rest:])))
    validation = tuple(common[rest : rest + each])
    of_role = {role: [d for name in alphabets[role] for d in drawn[name]] for role in alphabets}
    if (
        len(common) >= MIN_DRAWERS
        and _suffices(of_role["train"], train)
        and _suffices(of_role["validation"], validation, _FILLED)
    ):
        return {"train": train, "validation": validation}
    return {"train": everyone, "validation": everyone}


def _suffices(
    characters: Sequence[frozenset[int]], share: Sequence[int], filled: float = 0.0
) -> bool:
    have = [len(drawers.intersection(share)) for drawers in characters]
    return min(have) >= 2 and sum(have) >= filled * len(have) * len(share)


def _by_hash(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())


def _numbers(files: Sequence[Path]) -> list[int] | None:
    """Return the numbers at the ends of the names, None where not every name has its own."""
    found = [_DRAWER.search(stem_of(file)) for file in files]
    numbers = [int(match[1]) for match in found if match]
    return numbers if len(set(numbers)) == len(files) and min(numbers) >= 1 else None


def _regular(
    files: Mapping[tuple[str, str], Sequence[Path]],
    told: Mapping[tuple[str, str], list[int] | None],
) -> bool:
    """Whether a drawing's number is found in a good part of all characters, on average."""
    count = Counter(number for numbers in told.values() for number in numbers or ())
    recurring = sum(many * many for many in count.values())
    return recurring >= _REGULAR * len(files) * sum(map(len, files.values()))
