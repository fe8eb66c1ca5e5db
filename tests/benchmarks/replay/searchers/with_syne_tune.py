"""ASHA and BOHB of Syne Tune, each result told to its scheduler as Syne Tune's own tuner does.

Its simulator adds the time that the scheduler itself takes to that of the trainings, so it is not
used. Both stop a trial for good at a rung or let it go on at once, so nothing is resumed. Syne Tune
has no conditional parameters: each has a value always, which is ignored where it is not searched.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import numpy as np

from hpo.study.space.catalogue import catalogue
from hpo.study.space.domains import Choices
from hpo.study.space.search_space import SearchSpace
from tests.benchmarks.replay.ledger import Ledger, SpentError
from tests.benchmarks.replay.searchers.flat import from_flat, steps, to_flat


def searching(scheduler: str) -> Callable[[Ledger, int], None]:
    """Return the search with a scheduler of ``syne_tune.optimizer.baselines``."""

    def search(ledger: Ledger, seed: int) -> None:
        from syne_tune.backend.trial_status import Trial
        from syne_tune.optimizer import baselines
        from syne_tune.optimizer.scheduler import SchedulerDecision

        logging.getLogger("syne_tune").setLevel(logging.ERROR)
        np.random.seed(seed)  # Syne Tune's random configurations come from the global generator
        space = configuration_space(ledger.space)
        middles = {name: _middle(domain) for name, domain in space.items()}
        chosen = getattr(baselines, scheduler)(
            space,
            metric="accuracy",
            time_attr="epoch",
            max_t=ledger.whole,
            do_minimize=False,
            random_seed=seed,
            points_to_evaluate=[
                {**middles, **to_flat(ledger.space, start)}
                for start in ledger.space.initial_configurations
            ],
        )
        number = 0
        with suppress(SpentError):
            while (suggestion := chosen.suggest()) is not None:
                trial = Trial(number, suggestion.config, datetime.now())
                chosen.on_trial_add(trial)
                for epoch, accuracy in ledger.epochs(from_flat(ledger.space, trial.config)):
                    result = {"accuracy": accuracy, "epoch": epoch}
                    if chosen.on_trial_result(trial, result) == SchedulerDecision.STOP:
                        break
                chosen.on_trial_remove(trial)
                number += 1

    return search


def configuration_space(space: SearchSpace) -> dict[str, Any]:
    """Return the space in Syne Tune's terms, without its conditions."""
    from syne_tune import config_space as domains

    found: dict[str, Any] = {}
    for name, domain in space.searched.items():
        if isinstance(domain, Choices):
            found[name] = domains.choice(list(map(str, domain.options)))
        elif step := steps(name, domain):
            found[name] = domains.randint(0, round((domain.high - domain.low) / step))
        elif catalogue()[name].kind == "int":
            number = domains.lograndint if domain.log else domains.randint
            found[name] = number(int(domain.low), int(domain.high))
        else:
            number = domains.loguniform if domain.log else domains.uniform
            found[name] = number(float(domain.low), float(domain.high))
    return found


def _middle(domain: Any) -> Any:
    if hasattr(domain, "categories"):
        return domain.categories[0]
    return domain.cast((domain.lower + domain.upper) / 2)
