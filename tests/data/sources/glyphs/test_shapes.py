import numpy as np

from data.sources.glyphs.shapes import distinct, prune, strokes, thin


def test_thinning_leaves_lines() -> None:
    thick = np.zeros((105, 105), bool)
    thick[20:80, 45:57] = True
    line = prune(thin(thick))
    assert 40 < line.sum() < 70
    assert line.sum(1).max() <= 2
    dot = np.zeros((105, 105), bool)
    dot[50:56, 50:56] = True
    assert thin(dot).any()
    assert prune(thin(thick | dot)).sum() >= line.sum()


def test_pruning_keeps_true_ends() -> None:
    comb = np.zeros((105, 105), bool)
    comb[50, 20:80] = True
    comb[46:50, 50] = True  # a spur
    pruned = prune(comb)
    assert not pruned[46:49, 50].any()
    assert pruned[50, 20:80].all()


def test_near_twins_are_dropped() -> None:
    shapes = strokes([ord("x"), 0x445, ord("o")])  # Latin and Cyrillic x
    assert distinct(shapes, 2.5) == [0, 2]
