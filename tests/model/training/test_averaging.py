import pytest
import torch

from model.net.siamese import SiameseNet
from model.training.averaging import AveragedNet, exponent
from model.training.trainer import Trainer
from tests.model.support import TINY, tiny_hyperparameters, tiny_trainer


@pytest.mark.parametrize("width", [0.05, 0.1, 0.25])
def test_the_profile_has_the_width_asked_for(width: float) -> None:
    """The weights of all steps by themselves, whatever their number."""
    power = exponent(width)
    for steps in (2_000, 8_000):
        time = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
        weight = time**power / (time**power).sum()
        mean = (weight * time).sum()
        assert float((weight * (time - mean) ** 2).sum().sqrt()) == pytest.approx(width, rel=0.01)


def test_the_published_exponents() -> None:
    """Karras et al. (2024), section 3.1."""
    assert [exponent(width) for width in (0.05, 0.1)] == pytest.approx([16.97, 6.94], abs=0.01)


@pytest.mark.parametrize("width", [1e-6, 1e-12, 1e-300, 5e-324])
def test_an_average_over_less_than_a_step_is_the_weights_themselves(width: float) -> None:
    source = SiameseNet(TINY)
    average = AveragedNet(source, width)
    for step in (1, 2, 1000):
        with torch.no_grad():
            source.output.bias.fill_(float(step))
        average.set(step)
        average.update()
        assert average.net.output.bias.item() == step


def test_the_average_is_that_of_the_weights_over_the_steps() -> None:
    source = SiameseNet(TINY)
    average = AveragedNet(source, 0.1)
    seen = []
    for step in range(1, 41):
        with torch.no_grad():
            source.output.bias.fill_(float(step % 7))
        average.set(step)
        average.update()
        seen.append(float(step % 7))
    # By its definition, an integral over the profile, step by step.
    power = exponent(0.1) + 1
    ends = torch.arange(41, dtype=torch.float64) ** power
    weights = (ends[1:] - ends[:-1]) / ends[-1]
    expected = float((weights * torch.tensor(seen)).sum())
    assert average.net.output.bias.item() == pytest.approx(expected, rel=1e-4)
    assert source.output.bias.item() == 5.0


def test_of_one_step_it_is_the_weights_themselves() -> None:
    source = SiameseNet(TINY)
    average = AveragedNet(source, 0.1)
    with torch.no_grad():
        source.output.bias.fill_(3.0)
    average.set(1)
    average.update()
    for name, value in source.state_dict().items():
        assert torch.equal(average.net.state_dict()[name], value), name


def trained(trainer: Trainer) -> Trainer:
    list(trainer.epochs())
    return trainer


def averaging() -> Trainer:
    return tiny_trainer(tiny_hyperparameters(averaging=0.2), epochs=4)


def test_training_is_as_without_and_the_average_is_kept() -> None:
    plain, averaged = trained(tiny_trainer(epochs=4)), trained(averaging())
    assert [r.loss for r in averaged.history] == [r.loss for r in plain.history]
    for name, value in plain.net.state_dict().items():
        assert torch.equal(averaged.net.state_dict()[name], value), name
    kept = averaged.evaluated.state_dict()
    assert any(not torch.equal(kept[name], value) for name, value in plain.net.state_dict().items())
    assert averaged.best is not None
    if averaged.best.epoch == 4:
        assert all(torch.equal(averaged.best_parameters[name], kept[name]) for name in kept)


def test_a_resumed_average_equals_an_unbroken_one() -> None:
    whole, first, second = averaging(), averaging(), averaging()
    trained(whole)
    epochs = first.epochs()
    next(epochs), next(epochs)
    second.load_state_dict(first.state_dict())
    trained(second)
    for name, value in whole.evaluated.state_dict().items():
        assert torch.equal(second.evaluated.state_dict()[name], value), name
