"""Embedded data: characters of matplotlib's fonts as 20 simulated drawers would draw them.

Nothing is downloaded. A character's outline is thinned to strokes, and each drawing bends the
paper under the pen: by the drawer's own slant, proportions and bias, the same over all that this
drawer draws, and by a deformation of the moment.
"""

import functools
import hashlib
import itertools
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.ft2font import FT2Font

from data.dataset import PAPER_DRAWERS, ROLES, Dataset
from data.files.cache import cached
from data.files.packed import LabelledRow, Packed, join, pack, row_of
from data.sources.glyphs.alphabets import ALPHABETS, GlyphAlphabet
from data.sources.glyphs.shapes import FONT, SIDE, distance, distinct, strokes
from data.sources.request import Request

DRAWERS = 20
RECIPE = 2  # counted up when the same call would give other drawings
MOST_CHARACTERS = 45  # in an alphabet, as many as Omniglot's larger ones
SHORTEST = 30  # pixels of stroke; less is a dot, and all dots look alike
APART = 2.5  # pixels between any two of an alphabet's characters, see ``distinct``
_SEED = 20150710


@dataclass(frozen=True, eq=False)
class Hand:
    """What one drawer keeps over all characters.

    Attributes:
        matrix: ``[2, 2]``, from the paper's coordinates to the character's, both in [-1, 1].
        pen: the pen's radius in pixels.
        bend: ``[2, COARSE, COARSE]``, the knots of the drawer's own smooth deformation, in pixels.
    """

    matrix: np.ndarray
    pen: float
    bend: np.ndarray


COARSE, FINE = 5, 12  # knots a side: of a character's proportions, and of a trembling line
_OWN_BEND, _BEND, _TREMBLE = 2.4, 3.2, 0.55  # standard deviations of the knots, in pixels


def load_glyphs(request: Request) -> Dataset:
    """Return the embedded alphabets, each character drawn once by each of 20 drawers.

    The same drawings on every call. Roles are fixed, about 60/20/20 of the alphabets; drawers as in
    the paper: 1 to 12 train, 13 to 16 validate.
    """
    state = f"{RECIPE} {hashlib.sha256(FONT.read_bytes()).hexdigest()}"
    packed = cached("glyphs", "embedded", state, draw_all)
    return Dataset(
        name="glyphs",
        drawings=join([packed], request.size),
        alphabets={
            role: tuple(sorted(name for name, a in ALPHABETS.items() if a.role == role))
            for role in ROLES
        },
        drawers=PAPER_DRAWERS,
        digest=packed.digest,
    )


def draw_all() -> Packed:
    """Draw every character by every drawer."""
    hands = [hand(drawer) for drawer in range(1, DRAWERS + 1)]
    # NumPy and torch let go of the interpreter in their loops, so that threads overlap.
    with ThreadPoolExecutor(2) as pool:
        rows = pool.map(_rows, ALPHABETS, ALPHABETS.values(), itertools.repeat(hands))
        return pack(itertools.chain.from_iterable(rows), SIDE, binary=True)


def codes_of(alphabet: GlyphAlphabet) -> list[int]:
    """Return the code points that the font has and that no mere accent tells apart."""
    known = FT2Font(str(FONT)).get_charmap()
    return [
        code
        for first, last in alphabet.spans
        for code in range(first, last + 1)
        if code in known
        and unicodedata.category(chr(code))[0] in "LNS"
        and " WITH " not in unicodedata.name(chr(code))
    ]


def hand(drawer: int) -> Hand:
    """Return the hand of one of the drawers, counted from 1."""
    random = np.random.default_rng([_SEED, drawer])
    return Hand(
        matrix=_matrix(
            slant=random.uniform(-0.3, 0.3),
            turn=np.radians(random.uniform(-8, 8)),
            width=random.uniform(0.75, 1.1),
            height=random.uniform(0.75, 1.1),
        ),
        pen=random.uniform(1.0, 1.5),
        bend=random.normal(0, _OWN_BEND, (2, COARSE, COARSE)),
    )


def draw(field: np.ndarray, hands: list[Hand], random: np.random.Generator) -> np.ndarray:
    """Return one character as each hand draws it, bool ``[len(hands), 105, 105]``.

    Args:
        field: ``[105, 105]``, each pixel's distance to the character's strokes.
        hands: the drawers.
        random: what varies from drawing to drawing.
    """
    count = len(hands)
    matrices = np.stack(
        [
            one.matrix
            @ _matrix(
                slant=random.normal(0, 0.06),
                turn=random.normal(0, 0.05),
                width=random.normal(1, 0.06),
                height=random.normal(1, 0.06),
            )
            for one in hands
        ]
    )
    shift = random.normal(0, 0.06, (count, 2))
    bend = np.stack([one.bend for one in hands])
    bend = bend + random.normal(0, _BEND, (count, 2, COARSE, COARSE))
    tremble = random.normal(0, _TREMBLE, (count, 2, FINE, FINE))
    place = (_smooth(bend) + _smooth(tremble)) * (2 / SIDE)
    line = (2 * np.arange(SIDE) + 1) / SIDE - 1  # the paper's pixel centres
    place += (matrices[:, :, 0, None] * line)[:, :, None, :]
    place += (matrices[:, :, 1, None] * line)[:, :, :, None]
    place += shift[:, :, None, None]
    # In double precision, so that no machine's rounding moves a pixel.
    sampled = F.grid_sample(
        torch.from_numpy(field).double().expand(count, 1, SIDE, SIDE),
        torch.from_numpy(place.transpose(0, 2, 3, 1)),
        padding_mode="border",
        align_corners=False,
    )
    pens = np.array([one.pen for one in hands]) * random.normal(1, 0.06, count)
    return sampled[:, 0].numpy() <= pens[:, None, None]


def _rows(name: str, alphabet: GlyphAlphabet, hands: list[Hand]) -> list[LabelledRow]:
    every_code = codes_of(alphabet)
    every_skeleton = strokes(every_code)
    long = every_skeleton.sum((1, 2)) >= SHORTEST
    skeletons, codes = every_skeleton[long], np.array(every_code)[long]
    kept = distinct(skeletons, APART)[:MOST_CHARACTERS]
    rows = []
    for code, field in zip(codes[kept].tolist(), distance(skeletons[kept])):
        drawn = draw(field, hands, np.random.default_rng([_SEED, 0, code]))
        for drawer, ink in enumerate(drawn, start=1):
            row = row_of(ink * np.uint8(255), True)
            rows.append(LabelledRow(name, f"U+{code:04X}", drawer, row))
    return rows


def _matrix(slant: float, turn: float, width: float, height: float) -> np.ndarray:
    """Return the map from paper to character of one that is so slanted, turned and scaled."""
    cosine, sine = np.cos(turn), np.sin(turn)
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    return np.array([[1 / width, slant], [0, 1 / height]]) @ rotation


@functools.cache
def _basis(knots: int) -> np.ndarray:
    """Cubic B-splines over the paper's side, ``[105, knots]``; twice smooth between knots."""
    reach = np.abs(np.linspace(0, knots - 1, SIDE)[:, None] - np.arange(knots))
    near, far = 2 / 3 - reach**2 + reach**3 / 2, np.clip(2 - reach, 0, None) ** 3 / 6
    return np.where(reach < 1, near, far)


def _smooth(knots: np.ndarray) -> np.ndarray:
    """Return the fields ``[N, 2, 105, 105]`` through knots ``[N, 2, K, K]``."""
    basis = _basis(knots.shape[-1])
    return basis @ knots @ basis.T
