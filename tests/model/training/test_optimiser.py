import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.hyperparameters import Budget, Hyperparameters, LayerRates
from model.net.siamese import SiameseNet
from model.training.optimiser import Schedule, build_optimiser, momentum_at
from tests.model.support import LAYERS, TINY, random_images, tiny_hyperparameters, with_rate

BUDGET = Budget(epochs=10, pairs_per_epoch=64, patience=10, momentum_epochs=4)


def updates(hyperparameters: Hyperparameters, steps: int = 2, epoch: int = 3) -> dict[str, Tensor]:
    """Return each parameter's last update, the same gradients whatever the rates."""
    net = SiameseNet(TINY, torch.Generator().manual_seed(0))
    optimiser = build_optimiser(net, hyperparameters.rates, hyperparameters.recipe)
    Schedule(optimiser, hyperparameters.rates, hyperparameters.recipe, BUDGET).set(epoch)
    before = {}
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        for parameter in net.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        before = {name: p.detach().clone() for name, p in net.named_parameters()}
        optimiser.step()
    return {name: p.detach() - before[name] for name, p in net.named_parameters()}


def layer_of(name: str) -> str:
    """Return the layer of a parameter's name, ``convolutions.0.weight`` -> ``conv1``."""
    parts = name.split(".")
    return f"conv{int(parts[1]) + 1}" if parts[0] == "convolutions" else parts[0]


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("rate", ["learning_rate", "momentum", "l2"])
@pytest.mark.parametrize("layer", LAYERS)
def test_each_value_changes_its_layer_and_no_other(layer: str, rate: str, optimiser: str) -> None:
    base = tiny_hyperparameters(optimiser=optimiser)
    changed = with_rate(base, layer, **{rate: 0.3})
    plain, other = updates(base), updates(changed)
    # L2 is of weights alone; the other rates move the biases too.
    kinds = ("weight",) if rate == "l2" else ("weight", "bias")
    expected = {name for name in plain if layer_of(name) == layer and name.split(".")[-1] in kinds}
    moved = {name for name in plain if not torch.equal(plain[name], other[name])}
    assert moved == expected


def test_the_update_is_the_papers() -> None:
    """v = -lr * (g + 2 * l2 * w) + mu * v, w = w + v; by hand over several steps and epochs."""
    rates = {
        name: LayerRates(learning_rate=0.01 * (i + 1), momentum=0.1 * i, l2=0.02 * (i + 1))
        for i, name in enumerate(LAYERS)
    }
    hyperparameters = replace(tiny_hyperparameters(), rates=rates)
    net = SiameseNet(TINY, torch.Generator().manual_seed(0))
    optimiser = build_optimiser(net, rates, hyperparameters.recipe)
    schedule = Schedule(optimiser, rates, hyperparameters.recipe, BUDGET)
    expected = {name: p.detach().double() for name, p in net.named_parameters()}
    velocity = {name: torch.zeros_like(p) for name, p in expected.items()}
    generator = torch.Generator().manual_seed(1)
    for epoch in (0, 0, 1, 6):
        schedule.set(epoch)
        for name, parameter in net.named_parameters():
            gradient = torch.randn(parameter.shape, generator=generator)
            parameter.grad = gradient.clone()
            layer = rates[layer_of(name)]
            l2 = layer.l2 if name.endswith("weight") else 0
            momentum = 0.5 + (layer.momentum - 0.5) * min(epoch / 4, 1)
            velocity[name] = momentum * velocity[name] - layer.learning_rate * 0.99**epoch * (
                gradient + 2 * l2 * expected[name]
            )
            expected[name] = expected[name] + velocity[name]
        optimiser.step()
    for name, parameter in net.named_parameters():
        assert torch.allclose(parameter.double(), expected[name], atol=1e-5), name


def test_l2_is_the_gradient_of_the_penalty() -> None:
    """lambda * |w|^2 without halving: what weight decay of 2 * lambda would do."""
    hyperparameters = tiny_hyperparameters(rates=LayerRates(learning_rate=0.1, momentum=0, l2=0.3))
    net = SiameseNet(TINY, torch.Generator().manual_seed(0))
    optimiser = build_optimiser(net, hyperparameters.rates, hyperparameters.recipe)
    Schedule(optimiser, hyperparameters.rates, hyperparameters.recipe, BUDGET).set(0)
    twin = torch.nn.Parameter(net.fc.weight.detach().clone())
    (0.3 * twin.square().sum()).backward()
    assert twin.grad is not None
    expected = twin.detach() - 0.1 * twin.grad
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    bias = net.fc.bias.detach().clone()
    optimiser.step()
    assert torch.allclose(net.fc.weight, expected, atol=1e-6)
    assert torch.equal(net.fc.bias, bias), "biases are not decayed"


@pytest.mark.parametrize("final", [0.0, 0.3, 0.5, 0.99])
def test_momentum_rises_linearly_from_a_half_and_stays_below_1(final: float) -> None:
    line = [momentum_at(epoch, final, 50) for epoch in range(200)]
    assert line[0] == 0.5
    assert line[25] == pytest.approx((0.5 + final) / 2)
    assert line[50:] == pytest.approx([final] * 150)
    steps = [after - before for before, after in itertools.pairwise(line[:51])]
    assert steps == pytest.approx([(final - 0.5) / 50] * 50)
    assert max(line) < 1
    assert momentum_at(0, final, 0) == 0.5


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_rates_change_between_epochs_not_between_steps(optimiser: str) -> None:
    hyperparameters = tiny_hyperparameters(optimiser=optimiser)
    made = build_optimiser(SiameseNet(TINY), hyperparameters.rates, hyperparameters.recipe)
    schedule = Schedule(made, hyperparameters.rates, hyperparameters.recipe, BUDGET)
    seen = []
    for epoch, fraction in ((0, 0.0), (0, 0.9), (5, 0.0), (5, 0.5)):
        schedule.set(epoch, fraction)
        seen.append([(g["lr"], g.get("momentum"), g.get("betas")) for g in made.param_groups])
    assert seen[0] == seen[1]
    assert seen[2] == seen[3]
    assert seen[2][0][0] == pytest.approx(seen[0][0][0] * 0.99**5)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_the_rate_factor_multiplies_every_layers_rate(optimiser: str) -> None:
    rates = []
    for factor in (1.0, 0.25):
        hyperparameters = tiny_hyperparameters(optimiser=optimiser, rate_factor=factor)
        made = build_optimiser(SiameseNet(TINY), hyperparameters.rates, hyperparameters.recipe)
        Schedule(made, hyperparameters.rates, hyperparameters.recipe, BUDGET).set(3)
        rates.append([group["lr"] for group in made.param_groups])
    assert rates[1] == pytest.approx([rate / 4 for rate in rates[0]])


def test_cosine_goes_to_zero_at_the_end_of_the_budget() -> None:
    hyperparameters = tiny_hyperparameters(schedule="cosine")
    made = build_optimiser(SiameseNet(TINY), hyperparameters.rates, hyperparameters.recipe)
    schedule = Schedule(made, hyperparameters.rates, hyperparameters.recipe, BUDGET)
    rates = []
    for epoch, fraction in ((0, 0.0), (4, 0.5), (5, 0.0), (9, 1.0)):
        schedule.set(epoch, fraction)
        rates.append(made.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.02)
    assert rates[1] > rates[2] == pytest.approx(0.01)
    assert rates[3] == pytest.approx(0, abs=1e-9)


def test_both_optimisers_have_the_same_groups() -> None:
    net = SiameseNet(replace(TINY, normalisation="batch"))
    groups = {}
    for name in ("sgd", "adamw"):
        hyperparameters = tiny_hyperparameters(net.architecture, optimiser=name)
        made = build_optimiser(net, hyperparameters.rates, hyperparameters.recipe)
        groups[name] = [
            (g["layer"], g["l2"], [id(p) for p in g["params"]]) for g in made.param_groups
        ]
        for group in made.param_groups:
            if name == "adamw":
                assert group["weight_decay"] == group["l2"]
    assert groups["sgd"] == groups["adamw"]
    grouped = [place for _, _, places in groups["sgd"] for place in places]
    assert sorted(grouped) == sorted(id(p) for p in net.parameters()), "each exactly once"


def test_adamw_is_torchs_with_decoupled_decay() -> None:
    hyperparameters = tiny_hyperparameters(optimiser="adamw")
    nets = [SiameseNet(TINY, torch.Generator().manual_seed(0)) for _ in range(2)]
    ours = build_optimiser(nets[0], hyperparameters.rates, hyperparameters.recipe)
    Schedule(ours, hyperparameters.rates, hyperparameters.recipe, BUDGET).set(4)
    rates = hyperparameters.rates["fc"]
    theirs = torch.optim.AdamW(
        [nets[1].fc.weight],
        lr=rates.learning_rate * 0.99**4,
        betas=(rates.momentum, 0.999),
        weight_decay=rates.l2,
    )
    a, b = random_images(4), random_images(4, seed=1)
    for net, optimiser in zip(nets, (ours, theirs)):
        net(a, b).sum().backward()
        optimiser.step()
    assert torch.allclose(nets[0].fc.weight, nets[1].fc.weight, atol=1e-6)
