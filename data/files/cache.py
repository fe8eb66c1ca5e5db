"""The cache of packed drawings, so that only the first load decodes images."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data.files.folders import cache_dir
from data.files.packed import Packed, content_digest
from data.files.sealed import DamagedFileError, sealing, set_aside, unsealed

log = logging.getLogger("data")

FORMAT = 2  # counted up when what a cache file holds changes


def cached(label: str, place: str, state: str, build: Callable[[], Packed]) -> Packed:
    """Return what ``build()`` returns, from the cache where it holds that already.

    A cache that cannot be read or written costs time, never a failure. A damaged file is set aside,
    with a warning.

    Args:
        label: a readable start for the file's name.
        place: where the content comes from; one file is kept per label and place.
        state: what changes whenever the content may have.
        build: makes the content anew.
    """
    stem = f"{label}-{_short(place, 8)}-"
    path = cache_dir() / "packed" / f"{stem}{_short(f'{FORMAT} {state}', 16)}.npz"
    try:
        return _load(path)
    except FileNotFoundError:
        log.debug("%s is not cached yet", label)
    except OSError as error:
        log.debug("the cache file %s cannot be used (%s); building it again", path, error)
    except DamagedFileError as error:
        set_aside(path, error, "the images are read again")
    packed = build()
    try:
        _save(path, packed)
        for stale in path.parent.glob(f"{stem}*.npz"):
            if stale != path:
                stale.unlink(missing_ok=True)
    except OSError as error:
        log.debug("nothing is cached: %s", error)
    return packed


def _short(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _load(path: Path) -> Packed:
    with unsealed(path) as content, np.load(content, allow_pickle=False) as file:
        packed = Packed(
            rows=file["rows"],
            size=int(file["size"]),
            binary=bool(file["binary"]),
            alphabet=file["alphabet"],
            character=file["character"],
            drawer=file["drawer"],
            alphabet_names=tuple(map(str, file["alphabet_names"])),
            character_names=tuple(map(str, file["character_names"])),
            digest=str(file["digest"]),
            blank=tuple(map(str, file["blank"])),
        )
    # The digest is what a study is tied to, so it is not believed.
    if content_digest(packed) != packed.digest:
        raise DamagedFileError("its drawings do not match their digest")
    return packed


def _save(path: Path, packed: Packed) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with sealing(path) as file:
        np.savez(file, **vars(packed))
