import itertools

from data.dataset import ROLES
from data.sources.glyphs.alphabets import ALPHABETS


def codes(name: str) -> set[int]:
    return {code for low, high in ALPHABETS[name].spans for code in range(low, high + 1)}


def test_no_character_belongs_to_two_alphabets() -> None:
    for one, other in itertools.combinations(ALPHABETS, 2):
        assert not codes(one) & codes(other), (one, other)


def test_every_role_has_alphabets_and_every_span_characters() -> None:
    assert {alphabet.role for alphabet in ALPHABETS.values()} == set(ROLES)
    for name, alphabet in ALPHABETS.items():
        assert all(low <= high for low, high in alphabet.spans), name


def test_scripts_that_share_shapes_all_train() -> None:
    for family in ("Latin", "Greek", "Cyrillic", "Coptic", "Syllabics"):
        roles = {ALPHABETS[name].role for name in ALPHABETS if name.startswith(family)}
        assert roles == {"train"}, family
