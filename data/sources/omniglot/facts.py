"""What a true copy of Omniglot holds, whichever way it was packed.

An alphabet's digest is the SHA-256 (its first 32 hexadecimal digits) over its characters in the
order of their names and, within each, its drawers in order, of ``"<character>/<drawer:02d>"`` in
ASCII followed by the drawing's ink as bits: rows from the top, black = 1, ``numpy.packbits`` of
the 105 x 105 flat image. It depends on names and pixels only, not on archive, order or format.
"""

from typing import NamedTuple


class AlphabetFacts(NamedTuple):
    """How many characters an alphabet has, each by 20 drawers, and its digest."""

    characters: int
    digest: str


DRAWERS = 20
SIZE = 105

BACKGROUND: dict[str, AlphabetFacts] = {
    "Alphabet_of_the_Magi": AlphabetFacts(20, "81238cb4b682aed460ff7d740dc47d77"),
    "Anglo-Saxon_Futhorc": AlphabetFacts(29, "7fef0c535aa0cbb2361e8676e21b4478"),
    "Arcadian": AlphabetFacts(26, "9735d99869fd2eca8e1f18bd644c7d1b"),
    "Armenian": AlphabetFacts(41, "df0f1c9b6d7167eedd2a033a3e710b22"),
    "Asomtavruli_(Georgian)": AlphabetFacts(40, "9eb087718d525373d46084e69eefc0b9"),
    "Balinese": AlphabetFacts(24, "c2d2abe6d98a81dabb50600d9a037b7c"),
    "Bengali": AlphabetFacts(46, "7b2698a5754acd097912714dd8a022fc"),
    "Blackfoot_(Canadian_Aboriginal_Syllabics)": AlphabetFacts(
        14, "b8cb97839274f373933326c8d829b06b"
    ),
    "Braille": AlphabetFacts(26, "7a9882a8bcd26988776aa361cc5ea284"),
    "Burmese_(Myanmar)": AlphabetFacts(34, "62295b6555be5658e65feb6d6e994e5d"),
    "Cyrillic": AlphabetFacts(33, "1cbcd4a620f23fc9443e532cfc98194f"),
    "Early_Aramaic": AlphabetFacts(22, "776dfd6148b165f3c088eafab3be1609"),
    "Futurama": AlphabetFacts(26, "03273477394297b5d3728991a84d8f19"),
    "Grantha": AlphabetFacts(43, "c7ce55e006ab259dd3f6ecad6b40a6ac"),
    "Greek": AlphabetFacts(24, "d4a1ad47d021c765d9b111b82ae80476"),
    "Gujarati": AlphabetFacts(48, "d5628c7466e2fe70588362f22a084013"),
    "Hebrew": AlphabetFacts(22, "4c440e5c236af4012551079fe162e860"),
    "Inuktitut_(Canadian_Aboriginal_Syllabics)": AlphabetFacts(
        16, "8edc63678e3430dda339d3e267fd00ab"
    ),
    "Japanese_(hiragana)": AlphabetFacts(52, "ea791009acdbc4a46118bdeeb55a4804"),
    "Japanese_(katakana)": AlphabetFacts(47, "10e1794150ead3abd430c082c585e9d5"),
    "Korean": AlphabetFacts(40, "e103db87752a4ce1b112e7edfa42a176"),
    "Latin": AlphabetFacts(26, "c21f47d4a77a7d3d69b7b87d36573b74"),
    "Malay_(Jawi_-_Arabic)": AlphabetFacts(40, "d4e8e8cdfd5dd2ae42238c539f930641"),
    "Mkhedruli_(Georgian)": AlphabetFacts(41, "15e39334cfe6a2a2a4597d32cbc5acba"),
    "N_Ko": AlphabetFacts(33, "ef040e0ee5b94758f1b376aa61d97c02"),
    "Ojibwe_(Canadian_Aboriginal_Syllabics)": AlphabetFacts(14, "0488768fee66b1771d81c46762c4a3b1"),
    "Sanskrit": AlphabetFacts(42, "7519e6f759bb9c42249ce605fb38abdc"),
    "Syriac_(Estrangelo)": AlphabetFacts(23, "dd72f0fdcdccc9f43101a1f7c775a7ed"),
    "Tagalog": AlphabetFacts(17, "42fd034e6cf951899eafa62577092350"),
    "Tifinagh": AlphabetFacts(55, "8230ec5fd77bdd98026421811f6011c3"),
}
EVALUATION: dict[str, AlphabetFacts] = {
    "Angelic": AlphabetFacts(20, "bed43bf2c5762349af179b607c6e7575"),
    "Atemayar_Qelisayer": AlphabetFacts(26, "168c757ca18ea94ed5ced4eae4369dfb"),
    "Atlantean": AlphabetFacts(26, "602629ffeaff63235539c6f24a5986f9"),
    "Aurek-Besh": AlphabetFacts(26, "4a8f3f3515f9435d2f9f27496eb01107"),
    "Avesta": AlphabetFacts(26, "6d2dacb78dfd5db7d2ed88351282dfd6"),
    "Ge_ez": AlphabetFacts(26, "fef3dcda6857f79d1fddc0b4ab728c6d"),
    "Glagolitic": AlphabetFacts(45, "255d1c1b619f47e14ca6ca8ae1619bcb"),
    "Gurmukhi": AlphabetFacts(45, "9140fd456178e8dab013f424bc4e0a85"),
    "Kannada": AlphabetFacts(41, "16804c6768834114ee5510770896fdf8"),
    "Keble": AlphabetFacts(26, "d4632cf0d8b1e40198ba73a5b38a761e"),
    "Malayalam": AlphabetFacts(47, "20fbdbcc0a0b22bda0e9ebc72dda3b12"),
    "Manipuri": AlphabetFacts(40, "1085bc12e6cce34407b2380c90c493ac"),
    "Mongolian": AlphabetFacts(30, "d64e066d9d47106c153ee2da6b43fcbb"),
    "Old_Church_Slavonic_(Cyrillic)": AlphabetFacts(45, "3d66d78e8aa482d331ac2eeb58592f72"),
    "Oriya": AlphabetFacts(46, "6fa3d342e2b14364dc78a75069c7fd54"),
    "Sylheti": AlphabetFacts(28, "3dad194befc0856ad21eb5ab26447a9c"),
    "Syriac_(Serto)": AlphabetFacts(23, "26458beaecc68e2946e5d25ad70358ff"),
    "Tengwar": AlphabetFacts(25, "0d952906e735de632998c92ef0e7ff42"),
    "Tibetan": AlphabetFacts(42, "50d0a60944dfe110449c57c39800aad2"),
    "ULOG": AlphabetFacts(26, "1bb65bb8cd7ee21542c5d79daab318f1"),
}

# The alphabets of the two minimal sets are whole alphabets of the background set.
SMALL1 = ("Balinese", "Early_Aramaic", "Greek", "Korean", "Latin")
SMALL2 = ("Greek", "Japanese_(katakana)", "Latin", "Sanskrit", "Tagalog")

# The ten alphabets of the official runs, which test; the other ten of the evaluation set validate.
RUN_ALPHABETS = (
    "Atlantean",
    "Ge_ez",
    "Glagolitic",
    "Gurmukhi",
    "Kannada",
    "Malayalam",
    "Manipuri",
    "Old_Church_Slavonic_(Cyrillic)",
    "Tengwar",
    "Tibetan",
)

# SHA-256 of the runs' drawings in order, see ``data.sources.omniglot.runs``.
RUNS_DIGEST = "6bb5022895627314634cbb3cc8f686b1988a82e7028d81041e1939b662044bc5"

URL = "https://github.com/brendenlake/omniglot/raw/master/python/{name}.zip"
# Of the archives as published; a copy that was packed again is judged by its content.
MD5 = {
    "images_background": "68d2efa1b9178cc56df9314c21c6e718",
    "images_evaluation": "6b91aef0f799c5bb55b94e3f2daec811",
}
