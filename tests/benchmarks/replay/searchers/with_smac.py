"""SMAC3's ``MultiFidelityFacade``, asked and told."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from hpo.study.space.catalogue import catalogue
from hpo.study.space.domains import Choices
from hpo.study.space.search_space import SearchSpace
from tests.benchmarks.replay.ledger import Ledger, SpentError
from tests.benchmarks.replay.searchers.flat import from_flat, steps, to_flat

_REDUCTION = 3
"""SMAC's own default, ``eta``."""


def searching(resumes: bool) -> Callable[[Ledger, int], None]:
    """Return the search; with ``resumes`` a configuration goes on from its last checkpoint.

    SMAC asks for a configuration with a number of epochs, and keeps no checkpoints; in its own
    examples each such training begins anew.
    """

    def search(ledger: Ledger, seed: int) -> None:
        from ConfigSpace import Configuration
        from smac import MultiFidelityFacade, Scenario
        from smac.runhistory.dataclasses import TrialValue

        space = configuration_space(ledger.space)
        with tempfile.TemporaryDirectory() as folder, suppress(SpentError, StopIteration):
            scenario = Scenario(
                space,
                output_directory=Path(folder),
                deterministic=True,
                min_budget=1,
                max_budget=ledger.whole,
                n_trials=_trials(ledger),
                seed=seed,
            )
            starts = [
                Configuration(space, values=to_flat(ledger.space, start))
                for start in ledger.space.initial_configurations
            ]
            facade = MultiFidelityFacade(
                scenario,
                initial_design=MultiFidelityFacade.get_initial_design(
                    scenario, additional_configs=starts
                ),
                logging_level=False,
            )
            while True:
                asked = facade.ask()
                params = from_flat(ledger.space, dict(asked.config))
                accuracy = ledger.train(params, round(asked.budget), resumes=resumes)
                facade.tell(asked, TrialValue(cost=1 - accuracy), save=False)

    return search


def _trials(ledger: Ledger) -> int:
    """Return about how many trials the arithmetic lasts for: SMAC's start-up is a share of them.

    Over its brackets Hyperband trains about as many epochs at each rung.
    """
    rungs = [ledger.whole]
    while rungs[-1] >= _REDUCTION:
        rungs.append(rungs[-1] // _REDUCTION)
    table = ledger.surrogate.table
    cost = sum(map(table.teraflops_per_epoch, table.params)) / len(table.params)
    share = ledger.teraflops / cost / len(rungs)
    return max(20, round(sum(share / rung for rung in rungs)))


def configuration_space(space: SearchSpace) -> Any:
    """Return the space as a ``ConfigurationSpace``, conditional parameters included."""
    import ConfigSpace

    found = ConfigSpace.ConfigurationSpace()
    for name, domain in space.searched.items():
        if isinstance(domain, Choices):
            found.add(ConfigSpace.CategoricalHyperparameter(name, list(map(str, domain.options))))
        elif step := steps(name, domain):
            most = round((domain.high - domain.low) / step)
            found.add(ConfigSpace.UniformIntegerHyperparameter(name, 0, most))
        elif catalogue()[name].kind == "int":
            ends = int(domain.low), int(domain.high)
            found.add(ConfigSpace.UniformIntegerHyperparameter(name, *ends, log=domain.log))
        else:
            ends = float(domain.low), float(domain.high)
            found.add(ConfigSpace.UniformFloatHyperparameter(name, *ends, log=domain.log))
    for name in space.searched:
        conditions = list(_conditions(space, found, name))
        if len(conditions) > 1:
            found.add(ConfigSpace.AndConjunction(*conditions))
        elif conditions:
            found.add(conditions[0])
    return found


def _conditions(space: SearchSpace, found: Any, name: str) -> Iterator[Any]:
    import ConfigSpace

    depth = catalogue()[name].depth
    lengths = space.searched.get("net.depth")
    if lengths is not None and not isinstance(lengths, Choices) and depth > lengths.low:
        yield ConfigSpace.GreaterThanCondition(found[name], found["net.depth"], depth - 1)
    for parent, wanted in space.searched[name].when.items():
        if parent in space.searched:
            values = [to_flat(space, {parent: value})[parent] for value in wanted]
            yield ConfigSpace.InCondition(found[name], found[parent], values)
