"""Seconds from scratch to an accuracy: ``python -m tests.benchmarks.time_to_accuracy``.

As airbench has it: each target has a fixed schedule, and each seed is trained for it once and
tested once, at its end. What is timed is training, from the first minibatch to the last; the data
lies ready, and nothing is validated meanwhile. A target is met if the mean over the seeds is.

By Lake's split: all background alphabets train, and the schedules were chosen with ``--validate``,
which trains without the held-out background alphabets and asks only those.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import mean, stdev

from data.sources.table import load
from hpo.study.config import StudyConfig
from hpo.study.errors import ConfigError
from hpo.study.files import load as load_study
from hpo.study.provenance import versions
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from hpo.training.data import StudyData, final_inputs, load_dataset, study_data
from model.evaluation.protocols import Benchmark, benchmark
from model.evaluation.scores import accuracy, credit, one_shot_scores
from model.hyperparameters import Budget, Hyperparameters
from tests.benchmarks import positive, result_file


@dataclass(frozen=True)
class Schedule:
    """What is trained for a target: a study's first configuration, changed, for so many pairs."""

    study: str
    pairs: int
    settings: tuple[str, ...] = ()


_MILD = ("recipe.distortion=0.5", "recipe.warp=0", "recipe.splice=0")

SCHEDULES = {
    92.0: Schedule("beyond-70-lake", 40_000, _MILD),
    98.0: Schedule("beyond-70-lake", 1_260_000),
}
"""By the target, in percent of the official runs."""


@dataclass(frozen=True)
class Run:
    """One seed: its seconds of training, pairs, and accuracies in [0, 1]."""

    seed: int
    seconds: float
    pairs: int
    accuracies: dict[str, float]


def prepared(config: StudyConfig, validate: bool) -> tuple[StudyData, Benchmark | None]:
    """Return what the nets train on, and the tests, None where they are only validated."""
    run = StudyRun(config=config, location=StudyLocation(config.name))
    dataset = load_dataset(run)
    inputs = study_data(dataset, run)
    if validate:
        return replace(inputs, keep="last"), None
    tests = benchmark(load(**config.data.source())).at(config.data.image_size)
    return final_inputs(inputs, dataset, run), tests


def run(
    inputs: StudyData,
    tests: Benchmark | None,
    hyperparameters: Hyperparameters,
    pairs: int,
    seed: int,
) -> Run:
    """Train one seed for so many pairs, and test or validate it once."""
    trainer = inputs.trainer(hyperparameters, Budget(epochs=1, pairs_per_epoch=pairs), seed)
    (result,) = trainer.epochs()
    found = {"validation": result.one_shot_accuracy}
    if tests is not None:
        found = {
            f"{task.protocol.replace('_', ' ')} {task.trials.way}-way": accuracy(
                credit(one_shot_scores(trainer.evaluated.eval(), task.trials), task.trials.answer)
            )
            for task in tests.tasks
        }
    seen = result.pairs_seen
    return Run(seed, seen / result.pairs_per_second, seen, found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a seed and one of their means, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.time_to_accuracy")
    parser.add_argument("--seeds", type=positive(int), default=10)
    parser.add_argument("--target", type=float, choices=SCHEDULES, action="append", default=[])
    parser.add_argument("--study", help="instead of the schedules' own: a name or a .toml file")
    parser.add_argument("--pairs", type=positive(int), help="instead of the schedules' own")
    parser.add_argument(
        "--set",
        action="append",
        metavar="KEY=VALUE",
        help="instead of the schedules' own; repeatable",
    )
    parser.add_argument("--validate", action="store_true", help="ask no test alphabet")
    parser.add_argument("--json", type=result_file, metavar="FILE", help="write the runs there too")
    options = parser.parse_args(arguments)
    for setting in options.set or ():
        if setting.startswith(("budget.", "search.", "final.")):
            parser.error(f"--set {setting} changes nothing here: --pairs says how long is trained")
    kept: dict[str, object] = {}
    missed = False
    for target in options.target or SCHEDULES:
        schedule = SCHEDULES[target]
        # The schedule's own suit its own study.
        settings = schedule.settings if options.study is None else ()
        settings = settings if options.set is None else options.set
        try:
            named = schedule.study if options.study is None else options.study
            config = load_study(named, settings)
        except ConfigError as error:
            parser.error(str(error))
        space = config.space()
        if not space.initial_configurations:
            parser.error(f"study {config.name} has no [[start]] so, and that is what is trained")
        hyperparameters = space.hyperparameters(space.initial_configurations[0])
        inputs, tests = prepared(config, options.validate)
        runs = []
        for seed in range(options.seeds):
            runs.append(run(inputs, tests, hyperparameters, options.pairs or schedule.pairs, seed))
            print(
                f"seed {seed}: {runs[-1].seconds:.1f} s, {_shown(runs[-1].accuracies)}", flush=True
            )
        names = runs[0].accuracies
        values = {name: [one.accuracies[name] for one in runs] for name in names}
        seconds = [one.seconds for one in runs]
        first = next(iter(values))
        reached = sum(100 * value >= target for value in values[first])
        missed |= not options.validate and 100 * mean(values[first]) < target
        print(
            f"{target:.1f} %: {mean(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f}), "
            f"{runs[0].pairs:,} pairs; {reached} of {len(runs)} seeds reach it; mean "
            + ", ".join(f"{name} {_spread(each)}" for name, each in values.items()),
            flush=True,
        )
        kept[f"{target:g}"] = {
            "study": config.name,
            "settings": list(settings),
            "runs": [asdict(one) for one in runs],
        }
    if options.json:
        kept["versions"] = versions()
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    return int(missed)


def _shown(accuracies: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1%}" for name, value in accuracies.items())


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.1%}" + (f" (sd {100 * stdev(values):.1f})" if len(values) > 1 else "")


if __name__ == "__main__":
    sys.exit(main())
