"""What a step gains that reuses the memory which the last one freed."""

from collections.abc import Callable, Iterator

from model.training.allocator import reusing_freed_memory
from tests.benchmarks.harness import Context, Row, ratios
from tests.benchmarks.inputs import beyond_70, trainer_of


def memory(context: Context) -> Iterator[Row]:
    """Measure the training step with and without `reusing_freed_memory`, on CPUs alone."""
    configurations = dict(context.configurations)
    if context.size != "toy":
        configurations["beyond-70"] = beyond_70()
    for name, hyperparameters in configurations.items():
        drawings = context.drawings(hyperparameters)
        trainer = trainer_of(hyperparameters, drawings, context.pairs(name), context.device)

        def reused(step: Callable[[], object] = trainer.step) -> None:
            # The first step of a block still takes its memory from the kernel.
            with reusing_freed_memory():
                for _ in range(8):
                    step()

        def returned(step: Callable[[], object] = trainer.step) -> None:
            for _ in range(8):
                step()

        taken = context.interleaved({"reused": reused, "returned": returned})
        gain = [100 * (r - 1) for r in ratios(taken["returned"], taken["reused"])]
        yield Row("memory", f"{name}: more steps a second with memory reused", gain, "%")
