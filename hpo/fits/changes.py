"""The configurations between two: one change made at a time, or one undone."""

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hpo.study.errors import ConfigError
from hpo.study.space.catalogue import catalogue
from hpo.study.space.domains import matching

if TYPE_CHECKING:
    from hpo.study.space.search_space import SearchSpace

Configuration = dict[str, Any]

# The parameters that change together, in this order; one of no group changes by itself.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "normalisation": ("net.normalisation",),
    "initialisation": ("net.initialisation",),
    "shape": (
        *("net.depth", "net.stride", "net.poolings", "net.padding"),
        *("*.filters", "*.kernel_size", "fc.units"),
    ),
    "optimiser and its rates": (
        *("recipe.optimiser", "recipe.rate_factor", "recipe.schedule"),
        *("*.learning_rate", "*.momentum", "*.l2"),
    ),
    "batches": ("recipe.batch", "recipe.pairs", "recipe.episodes", "recipe.way", "recipe.across"),
    "loss": ("recipe.loss",),
    "embedding and head": ("net.embedding", "net.head"),
    "dropout": ("net.dropout",),
    "rotated alphabets": ("recipe.rotations",),
    "averaged weights": ("recipe.averaging",),
    "distortions": ("recipe.distortion", "recipe.elastic", "recipe.zoom"),
    "warp": ("recipe.warp",),
    "splices": ("recipe.splice",),
    "centred drawings": ("net.centred",),
    "turned drawings": ("net.turns",),
}


def one_change_at_a_time(
    space: "SearchSpace", start: Mapping[str, Any], end: Mapping[str, Any]
) -> list[tuple[str, Configuration]]:
    """Return the configurations from ``start`` to ``end``, one change at a time, each named.

    A conditional parameter that the start does not have takes its default until its own change, so
    that no change implies another.
    """
    values = _whole(space, start, end)
    steps = [("start", space.used(values))]
    for label, names in _groups(space).items():
        values = {**values, **{name: end[name] for name in names if name in end}}
        used = space.used(values)
        if used != steps[-1][1]:
            steps.append((label, used))
    return steps


def one_change_undone(
    space: "SearchSpace", start: Mapping[str, Any], end: Mapping[str, Any]
) -> list[tuple[str, Configuration]]:
    """Return the configurations that are ``end`` but for one change from ``start``, each named.

    A change that cannot be undone alone, as an episode loss needs episodes, is undone with the
    fewest others, and those that go with it are named. One that cannot be undone is left out.
    """
    before, after, groups = _whole(space, start, end), _whole(space, end, start), _groups(space)
    whole, found = space.used(after), []
    changed = [
        label for label, names in groups.items() if any(before[n] != after[n] for n in names)
    ]
    for label in changed:
        for others in _fewest_first([other for other in changed if other != label]):
            names = [name for each in (label, *others) for name in groups[each]]
            used = _trainable(space, {**after, **{name: before[name] for name in names}})
            if used is None:
                continue
            if used != whole:
                gone = [
                    other
                    for other in changed
                    if other in others
                    or (other != label and any(n in whole and n not in used for n in groups[other]))
                ]
                found.append((label + (f" (with {', '.join(gone)})" if gone else ""), used))
            break
    return found


def _whole(
    space: "SearchSpace", values: Mapping[str, Any], otherwise: Mapping[str, Any]
) -> Configuration:
    """Return a value of every searched parameter: its own, its default, or the other's."""
    whole = {}
    for name, specification in space.searched.items():
        default = catalogue()[name].default
        usable = default is not None and default in specification  # type: ignore[operator]
        whole[name] = values.get(name, default if usable else otherwise.get(name, default))
    return whole


def _groups(space: "SearchSpace") -> dict[str, list[str]]:
    groups = {label: matching(patterns, space.searched) for label, patterns in GROUPS.items()}
    grouped = {name for names in groups.values() for name in names}
    return groups | {name: [name] for name in space.searched if name not in grouped}


def _fewest_first(labels: list[str]) -> Iterator[tuple[str, ...]]:
    for count in range(len(labels) + 1):
        yield from itertools.combinations(labels, count)


def _trainable(space: "SearchSpace", values: Configuration) -> Configuration | None:
    """Return what such a configuration samples, None if there is no such net or training."""
    try:
        space.hyperparameters(values)
        return space.used(values)
    except (ConfigError, ValueError):
        return None
