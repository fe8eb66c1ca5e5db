from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from data.batches.one_shot import OneShotTrials, Variant, generate
from data.drawings import Drawings
from data.errors import DataError
from tests.synthetic import synthetic

VARIANTS = get_args(Variant)


def check(trials: OneShotTrials, way: int, variant: Variant) -> None:
    """Assert what every trial must be."""
    drawings = trials.drawings
    assert trials.way == way
    assert trials.support.min() >= 0
    assert trials.query.min() >= 0
    characters = drawings.character[trials.support]
    for row in characters.tolist():
        assert len(set(row)) == way, "distinct characters"
    right = characters.gather(1, trials.answer[:, None]).squeeze(1)
    assert torch.equal(right, drawings.character[trials.query]), "the answer is the query's"
    alphabets = drawings.alphabet[trials.support]
    assert (alphabets == drawings.alphabet[trials.query][:, None]).all(), "one alphabet"
    drawers = drawings.drawer[trials.support]
    assert (drawers != drawings.drawer[trials.query][:, None]).all(), "never the query's drawer"
    assert (trials.support != trials.query[:, None]).all(), "never the query itself"
    if variant == "two_drawers":
        assert (drawers == drawers[:, :1]).all(), "all the support by one drawer"


@pytest.mark.parametrize("variant", VARIANTS)
@given(
    characters=st.lists(st.integers(2, 7), min_size=1, max_size=3).map(tuple),
    missing=st.floats(0, 0.4),
    seed=st.integers(0, 2**31),
    way=st.integers(2, 5),
)
@settings(max_examples=40)
def test_trials_are_what_they_should_be(
    variant: Variant, characters: tuple[int, ...], missing: float, seed: int, way: int
) -> None:
    """Whatever drawings are missing, and in whatever order they lie."""
    whole = synthetic(characters, drawers=4, size=2)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(whole), generator=generator)
    drawings = whole.select(order[: max(1, round(len(whole) * (1 - missing)))])
    try:
        trials = generate(drawings, way=way, trials=23, variant=variant, seed=seed)
    except DataError:
        assert missing > 0 or max(characters) < way, "there were enough"
        return
    assert len(trials) == 23
    check(trials, way, variant)
    used = set(drawings.alphabet[trials.query].tolist())
    counts = [int((drawings.alphabet[trials.query] == a).sum()) for a in used]
    assert max(counts) - min(counts) <= 1, "every usable alphabet gives the same number"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_alphabet_place_and_drawing_comes_up(variant: Variant) -> None:
    drawings = synthetic((5, 8, 4), drawers=4, size=2)
    trials = generate(drawings, way=4, trials=3000, variant=variant, seed=0)
    check(trials, 4, variant)
    assert drawings.alphabet[trials.query].bincount().tolist() == [1000] * 3
    places = trials.answer.bincount(minlength=4)
    assert ((places - 750).abs() < 120).all(), "the answer's place is uniform"
    # Nor does it hang on the query's own character.
    for character in range(17):
        assert len(trials.answer[drawings.character[trials.query] == character].unique()) == 4
    for column in (trials.query, trials.support):
        assert set(column.flatten().tolist()) == set(range(len(drawings)))
    # Only alphabet "c" has exactly as many characters as are asked for.
    assert len(trials.drawings.character[trials.support[-1]].unique()) == 4


def test_all_drawers_takes_supports_of_many_drawers() -> None:
    drawings = synthetic((8,), drawers=6, size=2)
    trials = generate(drawings, way=5, trials=50, variant="all_drawers", seed=0)
    assert max(len(set(row.tolist())) for row in drawings.drawer[trials.support]) >= 4


@pytest.mark.parametrize("variant", VARIANTS)
def test_small_alphabets_are_left_out(variant: Variant) -> None:
    drawings = synthetic((3, 6), drawers=3, size=2)
    trials = generate(drawings, way=5, trials=10, variant=variant, seed=0)
    assert set(drawings.alphabet[trials.query].tolist()) == {1}


@pytest.mark.parametrize("variant", VARIANTS)
def test_too_large_a_way_is_refused(variant: Variant) -> None:
    with pytest.raises(DataError, match="7 characters for 7-way trials"):
        generate(synthetic((6, 5)), way=7, trials=1, variant=variant, seed=0)
    alone = synthetic((6,), drawers=3).of_drawers([2])
    with pytest.raises(DataError):
        generate(alone, way=2, trials=1, variant=variant, seed=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_trials_depend_on_the_seed_alone(variant: Variant) -> None:
    def made(seed: int) -> list[list[int]]:
        trials = generate(synthetic((8,)), way=4, trials=20, variant=variant, seed=seed)
        return torch.cat([trials.query[:, None], trials.support], 1).tolist()

    torch.manual_seed(1)
    first = made(3)
    torch.manual_seed(2)
    assert made(3) == first
    assert made(4) != first


def test_official_runs(omniglot_root: object) -> None:
    from data.sources.table import load

    dataset = load("omniglot", omniglot_root, download=False)  # type: ignore[arg-type]
    runs = dataset.official_runs
    assert runs is not None
    assert len(runs) == 400
    check(runs, 20, "two_drawers")
    names = [runs.drawings.alphabet_names[i] for i in runs.drawings.alphabet[runs.query].tolist()]
    assert len(set(names)) == 10
    assert set(names) == set(dataset.alphabets["test"])
    assert all(names.count(name) == 40 for name in set(names))
    assert runs.drawings.drawer[runs.query].max() <= 8
    for part in runs.query.split(20):
        assert len(part.unique()) == 20
        assert len(runs.drawings.drawer[part].unique()) == 1


def test_moving_keeps_everything() -> None:
    trials = generate(synthetic((6,)), way=3, trials=5, variant="all_drawers", seed=0)
    moved = trials.to("cpu")
    assert isinstance(moved.drawings, Drawings)
    for name in ("query", "support", "answer"):
        assert torch.equal(getattr(moved, name), getattr(trials, name))


def test_trials_of_any_drawers_take_no_memory_for_pairs_of_drawers() -> None:
    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = func(*args, **kwargs or {})
            if isinstance(out, torch.Tensor):
                self.elements = max(self.elements, out.numel())
            return out

    # As in a folder whose images do not tell who drew them: each has a drawer of its own.
    drawings = synthetic(characters=(2,), drawers=300, size=4)
    with Largest() as largest:
        generate(drawings, way=2, trials=1, variant="all_drawers", seed=0)
    assert largest.elements <= drawings.ink.numel()
