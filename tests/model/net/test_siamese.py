from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from model.hyperparameters import Architecture
from model.net.siamese import SiameseNet, centred, parameter_count, turned
from tests.model.support import TINY, random_images

PAPER = Architecture()
every_head = pytest.mark.parametrize("head", ["weighted_l1", "weighted_l2", "cosine"])


def net_of(architecture: Architecture, seed: int = 0) -> SiameseNet:
    return SiameseNet(architecture, torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def paper_net() -> SiameseNet:
    return net_of(PAPER)


def test_the_papers_parameter_count(paper_net: SiameseNet) -> None:
    assert sum(parameter.numel() for parameter in paper_net.parameters()) == 38_951_745
    assert parameter_count(PAPER) == 38_951_745


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"normalisation": "batch"},
        {"stride": 2, "image_size": 210},
        {"padding": "same"},
        {"units": 1},
    ],
    ids=str,
)
def test_parameters_are_counted_as_they_are_built(changes: dict[str, Any]) -> None:
    for shape in (TINY, replace(PAPER, filters=(3, 5, 2, 4))):
        shape = replace(shape, **changes)
        built = sum(parameter.numel() for parameter in net_of(shape).parameters())
        assert parameter_count(shape) == built


def test_the_papers_map_sizes(paper_net: SiameseNet) -> None:
    assert PAPER.map_sizes() == ((96, 48), (42, 21), (18, 9), (6, 6))
    seen = []
    for convolution in paper_net.convolutions:
        convolution.register_forward_hook(lambda _m, _i, output: seen.append(output.shape[1:]))
    with torch.inference_mode():
        assert paper_net.embed(torch.zeros(1, 1, 105, 105)).shape == (1, 4096)
    for convolution in paper_net.convolutions:
        convolution._forward_hooks.clear()
    assert seen == [(64, 96, 96), (128, 42, 42), (128, 18, 18), (256, 6, 6)]
    assert paper_net.fc.in_features == 9216


def test_the_papers_initialisation(paper_net: SiameseNet) -> None:
    layers = [(each, 0.01, (5e-4, 0.03, 0.005, 0.3)) for each in paper_net.convolutions]
    for layer, spread, off in [*layers, (paper_net.fc, 0.2, (1e-3, 0.01, 1e-3, 0.1))]:
        weight, bias = layer.weight.detach(), layer.bias.detach()
        assert float(weight.mean()) == pytest.approx(0, abs=off[0])
        assert float(weight.std()) == pytest.approx(spread, rel=off[1])
        assert float(bias.mean()) == pytest.approx(0.5, abs=off[2])
        assert float(bias.std()) == pytest.approx(0.01, rel=off[3])
    assert float(paper_net.output.weight.detach().std()) == pytest.approx(0.2, rel=0.1)


def test_kaiming_initialisation() -> None:
    net = net_of(replace(PAPER, initialisation="kaiming", units=256))
    for convolution in net.convolutions:
        weight = convolution.weight.detach()
        assert float(weight.std()) == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.05)
        assert convolution.bias.eq(0).all()


@every_head
def test_kaiming_starts_with_alike_pairs_ahead(head: str) -> None:
    net = net_of(replace(TINY, head=head))
    embeddings = net.embed(random_images(8))
    scores = net.score(embeddings[:, None], embeddings[None])
    assert (scores.argmax(1) == torch.arange(8)).all()


def test_the_generator_alone_decides_the_weights() -> None:
    torch.manual_seed(1)
    first = net_of(TINY, 3).state_dict()
    torch.manual_seed(2)
    second, other = net_of(TINY, 3).state_dict(), net_of(TINY, 4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["fc.weight"], other["fc.weight"])


@every_head
def test_twins_share_their_weights(head: str) -> None:
    """The score does not mind which of the two comes first."""
    net = net_of(replace(TINY, head=head))
    a, b = random_images(5), random_images(5, seed=1)
    assert torch.allclose(net(a, b), net(b, a), atol=1e-5)
    assert not torch.allclose(net(a, b), net(a, a), atol=1e-5)


def test_the_score_is_the_papers(paper_net: SiameseNet) -> None:
    """p = sigmoid(sum_j alpha_j * |h1_j - h2_j|), the logit plus a bias."""
    net = net_of(replace(TINY, initialisation="paper"))
    a, b = random_images(4), random_images(4, seed=1)
    distance = (net.embed(a) - net.embed(b)).abs()
    expected = distance @ net.output.weight[0] + net.output.bias
    assert torch.allclose(net(a, b), expected, atol=1e-5)
    assert 0 < net.embed(a).min() <= net.embed(a).max() < 1


def test_other_heads() -> None:
    a, b = torch.rand(3, 12), torch.rand(3, 12)
    squared = net_of(replace(TINY, head="weighted_l2"))
    assert torch.allclose(squared.score(a, b), ((a - b) ** 2) @ squared.output.weight[0], atol=1e-5)
    cosine = net_of(replace(TINY, head="cosine"))
    assert torch.allclose(cosine.score(a, b), 10 * F.cosine_similarity(a, b), atol=1e-4)
    assert torch.allclose(cosine.score(a, a), torch.tensor(10.0), atol=1e-4)


@every_head
def test_an_identical_pair_has_finite_gradients(head: str) -> None:
    """No square root at zero, nor a blank page's norm of zero."""
    net = net_of(replace(TINY, head=head, embedding="identity"))
    for images in (random_images(3), torch.zeros(3, 1, 16, 16)):
        net.zero_grad()
        net(images, images).sum().backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_scores_broadcast() -> None:
    net = net_of(TINY)
    queries, support = torch.rand(3, 1, 12), torch.rand(3, 5, 12)
    scores = net.score(queries, support)
    assert scores.shape == (3, 5)
    assert torch.allclose(scores[2, 4], net.score(queries[2, 0], support[2, 4]))


def test_pooling_before_relu_changes_nothing() -> None:
    net = net_of(TINY)
    images = random_images(4)
    maps = images
    for i, convolution in enumerate(net.convolutions):
        maps = F.relu(convolution(maps))
        if i < TINY.poolings:
            maps = F.max_pool2d(maps, 2)
    assert torch.equal(net.fc(maps.flatten(1)).sigmoid(), net.embed(images))


def test_same_padding_keeps_the_size() -> None:
    architecture = replace(TINY, padding="same", kernel_sizes=(3, 5, 3, 1))
    assert architecture.map_sizes() == ((16, 8), (8, 8), (8, 8), (8, 8))
    net = net_of(architecture)
    assert net.fc.in_features == 8 * 8 * 8
    assert net.embed(random_images(2)).shape == (2, 12)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("kernel", [3, 4])
@pytest.mark.parametrize("stride", [2, 3])
def test_a_stride_leaves_places_out(stride: int, kernel: int, padding: str) -> None:
    """Conv1 then gives every second place, or third, of what it gives without."""
    architecture = replace(
        TINY, kernel_sizes=(kernel, 1, 1, 1), padding=padding, poolings=0, stride=stride
    )
    images = random_images(3)
    net = net_of(architecture)
    every = F.conv2d(images, net.convolutions[0].weight, net.convolutions[0].bias, padding=padding)
    seen: list[torch.Tensor] = []
    net.normalisations[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    net.embed(images)
    assert torch.allclose(seen[0], every[..., ::stride, ::stride], atol=1e-6)
    assert seen[0].shape[-1] == architecture.map_sizes()[0][0]


def test_batch_normalisation_belongs_to_its_convolution() -> None:
    net = net_of(replace(TINY, normalisation="batch"))
    conv2 = net.layers()["conv2"]
    assert [type(module).__name__ for module in conv2] == ["Conv2d", "BatchNorm2d"]
    assert sum(p.numel() for p in net.parameters()) == parameter_count(TINY) + 2 * sum(TINY.filters)


def test_dropout_drops_in_training_alone() -> None:
    net = net_of(replace(TINY, dropout=0.5))
    images = random_images(4)
    net.train()
    assert not torch.equal(net.embed(images), net.embed(images))
    net.eval()
    assert torch.equal(net.embed(images), net.embed(images))
    assert torch.equal(net.embed(images), net_of(TINY).eval().embed(images))


def test_a_shape_that_leaves_no_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="conv2 with kernel 9 leaves no pixels of a 16 px"):
        replace(TINY, kernel_sizes=(3, 9, 2, 2))
    with pytest.raises(ValueError, match="3 filter counts and 4 kernel sizes"):
        replace(TINY, filters=(4, 4, 4))
    with pytest.raises(ValueError, match="stride of 0"):
        replace(TINY, stride=0)
    assert replace(TINY, kernel_sizes=(3, 6, 1, 1)).map_sizes()[1] == (2, 2)


def test_layers_cover_every_parameter_once() -> None:
    for architecture in (TINY, replace(TINY, normalisation="batch")):
        net = net_of(architecture)
        layers = net.layers()
        assert tuple(layers) == architecture.layers
        covered = [id(p) for modules in layers.values() for m in modules for p in m.parameters()]
        assert sorted(covered) == sorted(id(p) for p in net.parameters())


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (4, 1), (5, 1), (8, 1), (10, 1), (5, 2)])
def test_conv1_as_a_product_is_the_same(kernel: int, stride: int, padding: str, bf16: bool) -> None:
    """Embeddings and gradients, but for rounding."""
    architecture = replace(
        TINY, kernel_sizes=(kernel, 2, 2, 1), padding=padding, poolings=1, stride=stride
    )
    images = random_images(6, TINY.image_size)
    found = []
    for as_product in (False, True):
        net = net_of(architecture)
        net.bf16, net.conv1_as_product = bf16, as_product
        embeddings = net.embed(images)
        embeddings.square().sum().backward()
        weight = net.convolutions[0].weight.grad
        found.append((embeddings.detach(), weight, net.convolutions[0].bias.grad))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=0.05 if bf16 else 1e-4, atol=0.05 if bf16 else 1e-5)


def blot(top: int, left: int, height: int = 5, width: int = 7, size: int = 31) -> torch.Tensor:
    image = torch.zeros(1, 1, size, size)
    ink = torch.rand(height, width, generator=torch.Generator().manual_seed(0))
    image[..., top : top + height, left : left + width] = ink.clamp(min=0.2)
    return image


@pytest.mark.parametrize(("top", "left"), [(0, 0), (26, 24), (3, 20), (13, 12)])
def test_a_drawing_lies_in_the_middle_wherever_it_was(top: int, left: int) -> None:
    assert torch.allclose(centred(blot(top, left)), blot(13, 12), atol=1e-5)


def test_an_even_box_lies_between_two_pixels() -> None:
    image = blot(2, 3, height=4, width=4)
    moved = centred(image)
    assert moved.sum().item() == pytest.approx(image.sum().item(), rel=1e-4)
    lit = (moved > 0).squeeze()
    for axis in (0, 1):
        places = lit.any(axis).nonzero().squeeze()
        assert places.min() + places.max() == 30


def test_images_are_centred_each_by_itself() -> None:
    full = torch.ones(1, 1, 31, 31)
    images = torch.cat([blot(0, 0), blot(20, 9), 0 * full, full])
    moved = centred(images)
    assert torch.allclose(moved[:2], blot(13, 12).expand(2, -1, -1, -1), atol=1e-5)
    assert torch.allclose(moved[2:], images[2:], atol=1e-5)


def test_grey_is_not_ink() -> None:
    image = blot(13, 12)
    image[..., 0, 0] = 0.1
    assert torch.allclose(centred(image), image, atol=1e-5)


def test_a_quarter_turn_is_exact_and_a_turn_back_is_near() -> None:
    image = blot(11, 12)
    assert torch.allclose(turned(image, 90), image.rot90(1, (2, 3)), atol=1e-5)
    assert not torch.allclose(turned(image, 10), image, atol=0.2)
    smooth = F.avg_pool2d(image, 5, 1, 2)
    assert torch.allclose(turned(turned(smooth, 10), -10), smooth, atol=0.05)


def test_turns_take_no_more_memory_than_the_image_alone() -> None:
    net, seen = net_of(replace(TINY, turns=10.0)).eval(), []
    net.fc.register_forward_hook(lambda *told: seen.append(len(told[2])))
    net.embed(random_images(5, TINY.image_size))
    assert seen == [5, 5, 5]


def test_outside_training_an_embedding_is_the_mean_of_the_turns() -> None:
    shape = replace(TINY, centred=True)
    plain, net = net_of(shape), net_of(replace(shape, turns=10.0))
    images = random_images(5, shape.image_size)
    assert torch.equal(net.train().embed(images), plain.train().embed(images))
    straight = centred(images)
    views = (straight, turned(straight, 10), turned(straight, -10))
    plain.architecture = replace(shape, centred=False)
    expected = torch.stack([plain.eval().embed(view) for view in views]).mean(0)
    assert torch.allclose(net.eval().embed(images), expected, atol=1e-6)
    assert not torch.allclose(net.embed(images), plain.embed(straight), atol=1e-3)
