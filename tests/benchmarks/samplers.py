"""Which sampler and which pruner finds the most in the same time."""

import contextlib
import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from optuna.trial import TrialState

from hpo.run import run_study
from hpo.study.config import StudyConfig, load
from hpo.study.open import open_finished
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from tests.benchmarks.harness import Context, Row
from tests.benchmarks.inputs import omniglot_root

# Name -> sampler and pruner.
ARMS = {
    f"{sampler}+{pruner}": (sampler, pruner)
    for sampler in ("tpe", "gp", "random")
    for pruner in ("halving", "none")
}


def small_search(study: str, sampler: str, pruner: str, seed: int) -> StudyConfig:
    """Return the study with trials of seconds, from its first start alone."""
    raw = load(study).model_dump()
    raw["start"] = raw["start"][:1]
    raw["search"] |= {"sampler": sampler, "pruner": pruner, "seed": seed, "startup": 10}
    if study == "beyond":
        # The pruner asks at the same shares of a trial, after 1 and 3 epochs of 9.
        raw["budget"] |= {"epochs": 9, "patience": 9, "momentum_epochs": 3, "teraflops": 2.0}
        raw["validation"] |= {"trials": 4000, "verification_pairs": 500}
    return StudyConfig.model_validate(raw)


def samplers(context: Context) -> Iterator[Row]:
    """Search for the same time with each sampler and pruner, seed by seed, to the best found."""
    root = omniglot_root()
    study = "smoke" if context.size == "toy" or root is None else "beyond"
    seconds, trials = {"toy": (60, 1), "quick": (120, 10_000)}.get(context.size, (300, 10_000))
    arms = [ARMS[name] for name in context.arms or ARMS]
    if context.size == "toy":
        arms = arms[:2]
    best: dict[tuple[str, str], list[float]] = {arm: [] for arm in arms}
    finished: dict[tuple[str, str], list[str]] = {arm: [] for arm in arms}
    for seed in range(min(context.rounds, 3)):
        for arm in arms:
            config = small_search(study, *arm, seed)
            with tempfile.TemporaryDirectory() as folder:
                location = StudyLocation(study, Path(folder))
                with contextlib.redirect_stdout(io.StringIO()):
                    run = StudyRun(
                        config=config.changed(trials=trials),
                        location=location,
                        data_root=root,
                        device=str(context.device),
                    )
                    run_study(run, deadline=time.time() + seconds)
                found = open_finished(location)
                complete = found.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
                best[arm].append(100 * max((trial.value or 0.0 for trial in complete), default=0.0))
                finished[arm].append(f"{len(complete)} of {len(found.trials)}")
    for sampler, pruner in arms:
        yield Row(
            "samplers",
            f"{sampler}, pruner {pruner}: best validation accuracy",
            best[sampler, pruner],
            "%",
            note=f"{study}, {seconds} s; complete: {', '.join(finished[sampler, pruner])}",
        )
