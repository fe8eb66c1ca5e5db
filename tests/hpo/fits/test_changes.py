import itertools

from hpo.fits.changes import GROUPS, one_change_at_a_time, one_change_undone
from hpo.study.files import load
from hpo.study.space.catalogue import catalogue
from hpo.study.space.domains import matching


def test_one_change_at_a_time_from_the_paper_to_the_end() -> None:
    space = load("beyond").space()
    start = space.initial_configurations[0]
    corners = [corner for corner in space.corners() if space.used(corner) != start]
    assert corners
    for end in corners[:: max(1, len(corners) // 40)]:
        steps = one_change_at_a_time(space, start, end)
        assert steps[0] == ("start", start)
        assert steps[-1][1] == space.used(end)
        names = {label: matching(patterns, space.searched) for label, patterns in GROUPS.items()}
        for (_, before), (label, after) in itertools.pairwise(steps):
            space.hyperparameters(after)
            # What both configurations have differs within the one group alone.
            both = before.keys() & after.keys()
            assert {n for n in both if before[n] != after[n]} <= set(names.get(label, [label]))


def test_every_choice_of_the_net_and_the_recipe_has_its_group() -> None:
    grouped = matching([p for patterns in GROUPS.values() for p in patterns], catalogue())
    assert set(catalogue()) - set(grouped) == {"recipe.precision"}


def test_each_change_is_undone_by_itself_or_with_what_needs_it() -> None:
    space = load("beyond").space()
    start, end = space.initial_configurations[0], space.initial_configurations[2]
    made = [label for label, _ in one_change_at_a_time(space, start, end)][1:]
    undone = one_change_undone(space, start, end)
    assert [label.partition(" (with ")[0] for label, _ in undone] == made
    names = {label: matching(patterns, space.searched) for label, patterns in GROUPS.items()}
    for label, values in undone:
        space.hyperparameters(values)
        first, _, others = label.removesuffix(")").partition(" (with ")
        allowed = {n for each in (first, *others.split(", ")) for n in names.get(each, [each])}
        both = values.keys() & end.keys()
        differing = {name for name in both if values[name] != end[name]}
        assert differing <= allowed
        assert values != end
    labels = dict(undone)
    # Independent pairs have no episode loss and no splices.
    assert "batches (with loss, splices)" in labels
    pairs = space.hyperparameters(labels["batches (with loss, splices)"]).recipe
    assert (pairs.batch, pairs.loss, pairs.splice) == ("pairs", "pair", 0.0)
    assert "loss" in labels


def test_nothing_is_undone_where_nothing_changed() -> None:
    space = load("beyond").space()
    start = space.initial_configurations[0]
    assert one_change_undone(space, start, start) == []
