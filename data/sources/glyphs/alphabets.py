"""Which characters of matplotlib's DejaVu Sans make up the alphabets of ``glyphs``.

Scripts that share shapes (Latin, Greek, Cyrillic; the Canadian syllabics) all train, so that
validation and test ask for shapes that training has not shown.
"""

from collections.abc import Mapping
from typing import NamedTuple

from data.dataset import Role


class GlyphAlphabet(NamedTuple):
    """One alphabet: its role, and its characters as spans of code points, ends included."""

    role: Role
    spans: tuple[tuple[int, int], ...]


ALPHABETS: Mapping[str, GlyphAlphabet] = {
    "Latin": GlyphAlphabet("train", ((0x61, 0x7A),)),
    "Latin_capitals": GlyphAlphabet("train", ((0x41, 0x5A),)),
    "Latin_extended": GlyphAlphabet("train", ((0x180, 0x1BF), (0x21C, 0x225), (0x234, 0x24F))),
    "Phonetic": GlyphAlphabet("train", ((0x250, 0x2AF),)),
    "Greek": GlyphAlphabet("train", ((0x3B1, 0x3C9),)),
    "Greek_capitals": GlyphAlphabet("train", ((0x391, 0x3A9), (0x3D8, 0x3E1))),
    "Coptic": GlyphAlphabet("train", ((0x3E2, 0x3EF),)),
    "Cyrillic": GlyphAlphabet("train", ((0x410, 0x42F),)),
    "Cyrillic_extended": GlyphAlphabet("train", ((0x402, 0x40B), (0x460, 0x481), (0x48A, 0x4BF))),
    "Georgian_Asomtavruli": GlyphAlphabet("train", ((0x10A0, 0x10C5),)),
    "Georgian_Nuskhuri": GlyphAlphabet("train", ((0x2D00, 0x2D25),)),
    "Syllabics_vowels": GlyphAlphabet("train", ((0x1401, 0x144F),)),
    "Syllabics_t_k": GlyphAlphabet("train", ((0x1450, 0x14A0),)),
    "Syllabics_m_n": GlyphAlphabet("train", ((0x14A3, 0x14FF),)),
    "Syllabics_y_l": GlyphAlphabet("train", ((0x1525, 0x1575),)),
    "Ogham": GlyphAlphabet("train", ((0x1681, 0x169A),)),
    "Mathematics": GlyphAlphabet("train", ((0x2200, 0x223F), (0x2295, 0x22C0))),
    "Arrows": GlyphAlphabet("train", ((0x2190, 0x21FF),)),
    "Armenian": GlyphAlphabet("validation", ((0x561, 0x586),)),
    "Hebrew": GlyphAlphabet("validation", ((0x5D0, 0x5EA),)),
    "Lao": GlyphAlphabet("validation", ((0xE81, 0xEAD), (0xED0, 0xED9))),
    "N_Ko": GlyphAlphabet("validation", ((0x7C0, 0x7EA),)),
    "Old_Italic": GlyphAlphabet("validation", ((0x10300, 0x10323),)),
    "Arabic": GlyphAlphabet("test", ((0x621, 0x64A),)),
    "Armenian_capitals": GlyphAlphabet("test", ((0x531, 0x556),)),
    "Georgian_Mkhedruli": GlyphAlphabet("test", ((0x10D0, 0x10FA),)),
    "Lisu": GlyphAlphabet("test", ((0xA4D0, 0xA4F7),)),
    "Tifinagh": GlyphAlphabet("test", ((0x2D30, 0x2D65),)),
}
