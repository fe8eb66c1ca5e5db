"""What is recorded once must, replayed, be what would have been done."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import model.training.trainer
from model.training.cuda_graph import EAGER_STEPS, record
from model.training.trainer import Trainer
from tests.model.support import tiny_trainer
from tests.model.training.test_trainer import WAYS, assert_equal, plain, trained


class Tape(TorchDispatchMode):
    """A CUDA graph for the CPU: the same operations on the same memory, nothing of the host's."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        assert "_local_scalar_dense" not in str(func), "the host would wait for the device"
        out = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, out))
        return out

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, out in self.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                # Views and what is done in place lie there already.
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.detach().copy_(new)


def tape(
    step: Callable[[], Tensor], device: torch.device, generators: Sequence[torch.Generator]
) -> Callable[[], Tensor]:
    """Record as `model.training.cuda_graph.record` does: a step is not taken by being recorded."""
    drawn = [generator.get_state() for generator in generators]
    default = torch.get_rng_state()
    trainer: Trainer = step.__self__  # type: ignore[attr-defined]
    before = [t.clone() for t in memory(trainer)]
    recorder = Tape()
    with recorder:
        result = step()
    for tensor, old in zip(memory(trainer), before, strict=True):
        tensor.copy_(old)
    for generator, state in zip(generators, drawn, strict=True):
        generator.set_state(state)
    torch.set_rng_state(default)

    def replay() -> Tensor:
        recorder.replay()
        return result

    return replay


def memory(trainer: Trainer) -> list[Tensor]:
    """Return all that a step changes for good."""
    optimiser = trainer.optimiser.state.values()
    state = [v for values in optimiser for v in values.values() if isinstance(v, Tensor)]
    return [
        *(t.detach() for t in trainer.net.state_dict().values()),
        *state,
        trainer.sampler.position,
    ]


def recording(
    monkeypatch: pytest.MonkeyPatch, record: Any, **budget: Any
) -> Callable[..., Trainer]:
    """Return what makes trainers whose steps are recordable, and recorded by ``record``."""
    monkeypatch.setattr(model.training.trainer, "can_record", lambda device: True)
    monkeypatch.setattr(model.training.trainer, "record", record)

    def make(way: str) -> Trainer:
        # So many pairs that the next minibatch begins with another alphabet.
        recipe = replace(WAYS[way].recipe, pairs=10)
        return tiny_trainer(replace(WAYS[way], recipe=recipe), **budget)

    return make


def test_a_minibatch_takes_few_kernels() -> None:
    """On a GPU each takes 1.5 microseconds or more, however little it does."""
    trainer = tiny_trainer(WAYS["paper"])
    with Tape() as recorder:
        trainer.minibatch()
    kernels = [func for func, *_ in recorder.calls if not func.is_view]
    assert len(kernels) <= 95, kernels


@pytest.mark.parametrize("way", WAYS)
def test_a_recorded_run_equals_one_that_is_not(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates, pairs and random draws all change from step to step and epoch to epoch."""
    make = recording(monkeypatch, tape, pairs_per_epoch=160)
    recorded = trained(make(way))
    assert recorded._replay is not None
    eager = trained(recording(monkeypatch, lambda step, *_: step, pairs_per_epoch=160)(way))
    assert plain(recorded.history) == plain(eager.history)
    assert_equal(recorded.net.state_dict(), eager.net.state_dict())
    monkeypatch.setattr(model.training.trainer, "can_record", lambda device: False)
    # Rates in tensors are of single precision, others of double, and the difference grows.
    unrecorded = next(make(way).epochs())
    assert recorded.history[0].loss == pytest.approx(unrecorded.loss, rel=1e-3)


def test_what_is_loaded_is_recorded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    make = recording(monkeypatch, tape, pairs_per_epoch=160)
    whole = trained(make("adamw"))
    first = make("adamw")
    next(first.epochs())
    second = make("adamw")
    next(second.epochs())
    second.load_state_dict(first.state_dict())
    assert second._replay is None
    trained(second)
    assert second._replay is not None
    assert plain(second.history) == plain(whole.history)
    assert_equal(second.net.state_dict(), whole.net.state_dict())


def test_the_first_steps_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def record(step: Callable[[], Tensor], *_: Any) -> Callable[[], Tensor]:
        taken.append(trainer._eager_steps)
        return step

    trainer = recording(monkeypatch, record, pairs_per_epoch=160)("paper")
    trained(trainer)
    assert taken == [EAGER_STEPS], "recorded once"


class FakeGraph:
    """Stands in for torch's graph and for what records into it."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.generators: list[torch.Generator] = []
        self.replays = 0

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generators.append(generator)

    def replay(self) -> None:
        self.replays += 1

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is not None:
            raise RuntimeError("operation failed due to a previous error during capture")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeGraph]:
    """Let torch record without a GPU, and return the graphs made."""
    graphs: list[FakeGraph] = []

    def make() -> FakeGraph:
        graphs.append(FakeGraph())
        return graphs[-1]

    monkeypatch.setattr(torch.cuda, "CUDAGraph", make)
    for name, stand_in in (("graph", FakeGraph), ("Stream", FakeGraph), ("device", nullcontext)):
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return graphs


def test_a_replay_returns_what_the_recorded_step_did(made: list[FakeGraph]) -> None:
    loss, generators = torch.ones(()), (torch.Generator(), torch.Generator())
    replay = record(lambda: loss, torch.device("cpu"), generators)
    assert replay() is loss
    assert replay() is loss
    (graph,) = made
    assert graph.generators == list(generators)
    assert graph.replays == 2, "and none while recording"


def test_too_little_memory_is_said_as_such(made: list[FakeGraph]) -> None:
    """It is a failure of its own kind to a study, which goes on with smaller nets."""

    def step() -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        record(step, torch.device("cpu"), ())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("way", WAYS)
def test_on_a_gpu(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Trainer:
        return trained(tiny_trainer(WAYS[way], device="cuda", pairs_per_epoch=160))

    recorded = run()
    assert recorded._replay is not None
    monkeypatch.setattr(model.training.trainer, "can_record", lambda device: False)
    eager = run()
    # A GPU adds in any order, and every step magnifies that.
    assert recorded.history[0].loss == pytest.approx(eager.history[0].loss, rel=5e-3)
