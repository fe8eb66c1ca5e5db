"""A step of training recorded once as a CUDA graph and replayed, the host out of its way."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

EAGER_STEPS = 3
"""Steps taken as they are before the recording: libraries and the optimiser set themselves up."""


def can_record(device: torch.device) -> bool:
    """Return whether steps on ``device`` can be recorded."""
    return device.type == "cuda"


def set_up(
    step: Callable[[], Any], device: torch.device, generators: Sequence[torch.Generator] = ()
) -> Callable[[], Any]:
    """Take ``step`` until all is set up, and return it, recorded where ``device`` can be."""
    if not can_record(device):
        return step
    for _ in range(EAGER_STEPS):
        step()
    return record(step, device, generators)


def record(
    step: Callable[[], Tensor], device: torch.device, generators: Sequence[torch.Generator]
) -> Callable[[], Tensor]:
    """Record ``step`` without taking it, and return what takes it.

    A replay runs the same kernels on the same memory, whatever the host's variables say by then:
    all that changes from step to step has to lie in tensors that stay where they are. Small nets
    gain most, whose kernels are shorter than the host takes to launch one.

    Args:
        step: of fixed shapes, that never waits for the device; it returns one tensor, which every
            replay overwrites.
        device: the GPU that all of it runs on.
        generators: on that GPU, from which the step draws; the default one needs no mention.

    Raises:
        torch.OutOfMemoryError: the GPU has no room for the step's memory to stay where it is.
    """
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    with torch.cuda.device(device):
        # Other threads, of a progress display or another trial, may go on meanwhile.
        recording = torch.cuda.graph(
            graph, stream=torch.cuda.Stream(device), capture_error_mode="thread_local"
        )
        try:
            with recording:
                result = step()
        except RuntimeError as error:
            # The end of a broken recording raises too, over what broke it.
            if isinstance(error.__context__, torch.OutOfMemoryError):
                raise error.__context__ from None
            raise

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay
