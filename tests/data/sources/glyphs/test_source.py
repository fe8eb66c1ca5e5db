"""The embedded data: enough of it, drawn by hands that are told apart, and not too easy."""

import numpy as np
import torch
import torch.nn.functional as F

from data.dataset import ROLES, Dataset
from data.sources.glyphs.alphabets import ALPHABETS
from data.sources.glyphs.shapes import distance, strokes
from data.sources.glyphs.source import DRAWERS, draw, hand


def test_there_is_enough(glyphs: Dataset) -> None:
    drawings = glyphs.drawings
    assert len(drawings.alphabet_names) >= 20
    assert len(drawings.character_names) >= 600
    assert len(drawings) == len(drawings.character_names) * DRAWERS
    of = drawings.alphabet[torch.arange(0, len(drawings), DRAWERS)]
    characters = dict(zip(drawings.alphabet_names, torch.bincount(of).tolist()))
    for role in ("validation", "test"):
        names = glyphs.alphabets[role]
        assert len(names) >= 4
        assert all(characters[name] >= 20 for name in names)
    share = {role: len(glyphs.alphabets[role]) / len(ALPHABETS) for role in ROLES}
    assert 0.55 < share["train"] < 0.7
    assert {*ALPHABETS} == {*drawings.alphabet_names}


def test_nearest_neighbour_on_pixels_is_far_from_right(glyphs: Dataset) -> None:
    drawings = glyphs.drawings
    random = np.random.default_rng(0)
    right = []

    def pixels(rows: torch.Tensor) -> torch.Tensor:
        return F.normalize(drawings.ink[rows].flatten(1).float(), dim=1)

    for name in (*glyphs.alphabets["validation"], *glyphs.alphabets["test"]):
        alphabet = drawings.alphabet_names.index(name)
        (rows,) = torch.nonzero(drawings.alphabet == alphabet, as_tuple=True)
        by_character = rows.view(-1, DRAWERS)  # a drawer's place is the drawer less one
        for _ in range(4):
            some = torch.from_numpy(random.choice(len(by_character), 20, replace=False))
            asked, offered = random.choice(DRAWERS, 2, replace=False)
            query, support = by_character[some, asked], by_character[some, offered]
            score = pixels(query) @ pixels(support).T
            right.append((score.argmax(1) == torch.arange(20)).float().mean())
    accuracy = float(torch.stack(right).mean())
    assert 0.15 < accuracy < 0.5


def test_no_two_drawings_are_the_same(glyphs: Dataset) -> None:
    packed = np.packbits(glyphs.drawings.ink.flatten(1).numpy() > 127, axis=1)
    assert len({row.tobytes() for row in packed}) == len(packed)


def test_every_drawing_has_ink_and_a_margin_mostly(glyphs: Dataset) -> None:
    ink = glyphs.drawings.ink > 127
    assert int(torch.count_nonzero(ink.flatten(1), dim=1).min()) >= 20
    edge = ink[:, 0].any(1) | ink[:, -1].any(1) | ink[:, :, 0].any(1) | ink[:, :, -1].any(1)
    assert float(edge.float().mean()) < 0.02


def test_a_drawer_keeps_a_hand(glyphs: Dataset) -> None:
    drawings = glyphs.drawings
    ink = (drawings.ink[: 200 * DRAWERS] > 127).float()
    thickness = ink.sum((1, 2)).view(-1, DRAWERS)  # [characters, drawers]
    relative = thickness / thickness.mean(1, keepdim=True)
    between, within = relative.mean(0).std(), relative.std(0).mean()
    assert float(between) > 0.5 * float(within)


def test_drawing_is_repeatable_and_hands_differ() -> None:
    field = distance(strokes([ord("k")]))[0]
    hands = [hand(1), hand(2)]
    one, again = (draw(field, hands, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one, again)
    assert (one[0] != one[1]).any()
    assert hand(3).pen == hand(3).pen != hand(4).pen
