"""Whether training in bfloat16 gives up accuracy."""

from collections.abc import Iterator
from dataclasses import replace

from hpo.study.config import load
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from hpo.training.data import load_data
from tests.benchmarks.harness import Context, Row
from tests.benchmarks.inputs import omniglot_root


def precision(context: Context) -> Iterator[Row]:
    """Train the same in both precisions, seed by seed, to its one-shot validation accuracy."""
    root = omniglot_root()
    # Without Omniglot the embedded glyphs, which are for the small study: nothing is downloaded.
    study = "smoke" if context.size == "toy" or root is None else "beyond"
    config = load(study)
    location = StudyLocation(config.name)
    inputs = load_data(
        StudyRun(config=config, location=location, data_root=root, device=str(context.device))
    )
    space = config.space()
    hyperparameters = space.hyperparameters(space.initial_configurations[-1])
    epochs = {"toy": 1, "quick": 3}.get(context.size, 6)
    budget = replace(config.training_budget(), epochs=epochs, teraflops=None, seconds=None)
    found: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for seed in range(min(context.rounds, 3)):
        for kind, accuracies in found.items():
            recipe = replace(hyperparameters.recipe, precision=kind)
            changed = replace(hyperparameters, recipe=recipe)
            *_, last = inputs.trainer(changed, budget, seed).epochs()
            accuracies.append(100 * last.one_shot_accuracy)
    note = f"{study}, {epochs * budget.pairs_per_epoch:,} pairs, {inputs.name}"
    for kind, accuracies in found.items():
        yield Row("precision", f"{kind}: one-shot validation accuracy", accuracies, "%", note=note)
    apart = [abs(a - b) for a, b in zip(*found.values(), strict=True)]
    noise = max(1.0, max(found["fp32"]) - min(found["fp32"]))
    yield Row("precision", "bf16 and fp32 apart", apart, "points", noise, True, note)
