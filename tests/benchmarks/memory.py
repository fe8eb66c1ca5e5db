"""What a step gains that reuses the memory which the last one freed."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

from model.training.allocator import reusing_freed_memory
from tests.benchmarks.harness import Context, Row, ratios
from tests.benchmarks.inputs import beyond_70, trainer_of

_STEPS = 3


def memory(context: Context) -> Iterator[Row]:
    """Measure the training step with and without `reusing_freed_memory`, on CPUs alone."""
    configurations = dict(context.configurations)
    if context.size != "toy":
        configurations["beyond-70"] = beyond_70()
    for name, hyperparameters in configurations.items():
        drawings = context.drawings(hyperparameters)
        trainer = trainer_of(hyperparameters, drawings, context.pairs(name), context.device)
        blocks = {"reused": reusing_freed_memory, "returned": nullcontext}
        wall: dict[str, list[float]] = {what: [] for what in blocks}
        system: dict[str, list[float]] = {what: [] for what in blocks}
        # More rounds than elsewhere, since the gain is less than what rounds differ by.
        for _ in range(3 * context.rounds):
            for what, block in blocks.items():
                seconds, kernel = _measured(block(), trainer.step)
                wall[what].append(seconds)
                system[what].append(kernel)
        gain = [100 * (r - 1) for r in ratios(wall["returned"], wall["reused"])]
        yield Row("memory", f"{name}: more steps a second with memory reused", gain, "%")
        for what, values in system.items():
            yield Row("memory", f"{name}: the kernel's time in a step, {what}", values, "ms")


def _measured(
    block: AbstractContextManager[None], step: Callable[[], object]
) -> tuple[float, float]:
    """Return the seconds of a step within ``block``, and the kernel's milliseconds of it."""
    with block:
        step()  # which still takes its memory from the kernel
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_stime
        for _ in range(_STEPS):
            step()
        taken = time.perf_counter() - start
        system = resource.getrusage(resource.RUSAGE_SELF).ru_stime - before
    return taken / _STEPS, 1000 * system / _STEPS
