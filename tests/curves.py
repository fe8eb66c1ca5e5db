"""A made-up study and a table of its learning curves, as `tests.benchmarks.fidelity` writes it."""

import math
from pathlib import Path

import numpy as np
import optuna

from hpo.study.files import load
from model.training.cost import training_flops_per_pair, within_cost
from tests.benchmarks import fidelity

STUDY = """
base = "smoke"
[budget]
epochs = 27
pairs_per_epoch = 6000
patience = 27
teraflops = 1.0
[search]
startup = 5
[parameters]
"conv*.filters" = 16
"conv1.filters" = { low = 4, high = 16, step = 4 }
"conv1.kernel_size" = 3
"conv2.kernel_size" = 3
"conv3.kernel_size" = 2
"conv4.kernel_size" = 2
"fc.units" = { low = 16, high = 128 }
"*.learning_rate" = 1e-2
"*.momentum" = 0.9
"*.l2" = 1e-5
"output.l2" = { low = 1e-6, high = 1e-1, log = true }
"recipe.rate_factor" = { low = 1e-2, high = 10.0, log = true }
"recipe.distortion" = { low = 0.0, high = 1.5 }
"recipe.rotations" = { choices = [false, true] }
"recipe.batch" = { choices = ["pairs", "episodes"] }
"recipe.way" = { low = 5, high = 20, when = { "recipe.batch" = "episodes" } }
[[start]]
"conv1.filters" = 4
"fc.units" = 32
"output.l2" = 1e-5
"recipe.rate_factor" = 0.05
"recipe.distortion" = 0.0
"recipe.rotations" = false
"recipe.batch" = "pairs"
"""


def made_up(folder: Path, count: int = 40, epochs: int = 27) -> tuple[Path, str]:
    """Write a study, and a table of it whose best configurations learn slowly; return both."""
    study, file = folder / "small.toml", folder / "table.csv"
    study.write_text(STUDY)
    config = load(str(study))
    space, budget = config.space(), config.training_budget()
    source = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    rows = []
    for number in range(count):
        trial = source.ask()
        hyperparameters = space.suggest(trial)
        values, architecture = trial.params, hyperparameters.architecture
        rate = abs(math.log10(values["recipe.rate_factor"]))
        good = 0.6 * math.exp(-(rate**2)) + 0.1 * (values["recipe.batch"] == "episodes")
        good += 0.01 * values.get("recipe.way", 0) + 0.05 * values["recipe.distortion"]
        times = 1 - np.exp(-np.arange(1, epochs + 1) / (1 + 12 * good))
        batch = hyperparameters.recipe.pairs_per_batch
        pairs = within_cost(budget, architecture).pairs_per_epoch // batch * batch
        cost = round(training_flops_per_pair(architecture) * pairs / 1e12, 4)
        rows.append(
            {
                "seed": number,
                **{name: values.get(name, "") for name in space.searched},
                "pairs_per_epoch": pairs,
                "teraflops_per_epoch": cost,
                **{f"accuracy_{n}": round(0.2 + good * t, 5) for n, t in enumerate(times, 1)},
            }
        )
    fidelity.write(rows, file)
    return file, str(study)
