"""The siamese twin net (Koch et al. 2015, section 3.1)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data.batches.distort import pixel_centres
from model.hyperparameters import Architecture

INK = 0.15
"""What is darker than this, of 1, counts as ink: more than the grey that distortions leave."""


class SiameseNet(nn.Module):
    """Two twins with shared weights, and a score of how alike their embeddings are.

    Example:
        >>> net = SiameseNet(Architecture())
        >>> sum(parameter.numel() for parameter in net.parameters())
        38951745
    """

    def __init__(self, architecture: Architecture, generator: torch.Generator | None = None):
        super().__init__()
        self.architecture = architecture
        self.bf16 = False
        """Whether embeddings are computed in bfloat16; they come out in float32 all the same."""
        self.conv1_as_product = False
        """Whether conv1 is computed as one matrix product, which pays on GPUs; the same numbers."""
        self.fused = False
        """Whether all of a pooled layer but cuDNN's convolution is one kernel (`model.net.fused`).

        For GPUs with Triton, in place of `conv1_as_product`; the same numbers but for rounding.
        """
        channels = (1, *architecture.filters)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(
                channels[i],
                channels[i + 1],
                kernel,
                stride=architecture.stride if i == 0 else 1,
                # Torch pads no strided convolution; conv1's images come padded to it.
                padding="valid" if i == 0 else architecture.padding,
            )
            for i, kernel in enumerate(architecture.kernel_sizes)
        )
        batch = architecture.normalisation == "batch"
        self.normalisations = nn.ModuleList(
            nn.BatchNorm2d(width) if batch else nn.Identity() for width in architecture.filters
        )
        side = architecture.map_sizes()[-1][1]
        self.fc = nn.Linear(channels[-1] * side * side, architecture.units)
        self.output = nn.Linear(architecture.units, 1)
        self.initialise(generator)
        # Channels last is what the fast convolutions of CPUs and GPUs alike work on.
        self.to(memory_format=torch.channels_last)

    def layers(self) -> dict[str, list[nn.Module]]:
        """Return the modules of each named layer; a layer's normalisation belongs to it."""
        named: dict[str, list[nn.Module]] = {
            f"conv{i + 1}": [convolution, normalisation]
            for i, (convolution, normalisation) in enumerate(
                zip(self.convolutions, self.normalisations, strict=True)
            )
        }
        return {**named, "fc": [self.fc], "output": [self.output]}

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw every weight anew, from ``generator`` alone where one is given.

        ``paper``: convolutions N(0, 0.01), the fully connected layer N(0, 0.2), all biases
        N(0.5, 0.01) (section 3.2; the output layer, of which the paper says nothing, like the
        fully connected one, with no bias). ``kaiming``: fan-in normal weights and zero biases;
        the output starts as minus the mean distance, so that alike pairs begin ahead.
        """
        paper = self.architecture.initialisation == "paper"
        for name, modules in self.layers().items():
            layer = modules[0]
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            assert layer.bias is not None
            if paper:
                spread = 0.01 if name.startswith("conv") else 0.2
                layer.weight.normal_(0, spread, generator=generator)
                layer.bias.normal_(0.5, 0.01, generator=generator)
            else:
                nn.init.kaiming_normal_(layer.weight, generator=generator)
                layer.bias.zero_()
        if paper:
            self.output.bias.zero_()
        elif self.architecture.head != "cosine":
            self.output.weight.fill_(-10 / self.architecture.units)
        else:
            self.output.weight.fill_(10 / self.architecture.units)

    def embed(self, images: Tensor) -> Tensor:
        """Return the embeddings ``[B, units]`` of images ``[B, 1, H, W]`` (ink 1, paper 0)."""
        if self.architecture.centred:
            images = centred(images)
        turns = 0.0 if self.training else self.architecture.turns
        if not turns:
            return self._embedded(images)
        # One after another: together they would take three times the memory.
        views = (images, turned(images, turns), turned(images, -turns))
        return torch.stack([self._embedded(view) for view in views]).mean(0)

    def _embedded(self, images: Tensor) -> Tensor:
        if self.bf16:
            with torch.autocast(images.device.type, torch.bfloat16):
                embedding = self._features(images)
        else:
            embedding = self._features(images)
        embedding = embedding.float()
        return embedding.sigmoid() if self.architecture.embedding == "sigmoid" else embedding

    def _features(self, images: Tensor) -> Tensor:
        if self.architecture.padding == "same":
            kernel = self.architecture.kernel_sizes[0]
            images = F.pad(images, [(kernel - 1) // 2, kernel // 2] * 2)
        maps = images.contiguous(memory_format=torch.channels_last)
        for i in range(len(self.convolutions)):
            maps = self.layer(i, maps)
        flat = F.dropout(maps.flatten(1), self.architecture.dropout, self.training)
        features: Tensor = self.fc(flat)
        return features

    def layer(self, i: int, maps: Tensor) -> Tensor:
        """Return what the ``i``-th convolution, from 0, makes of ``maps``, pooling and ReLU done.

        Conv1's images are padded already.
        """
        convolution, normalisation = self.convolutions[i], self.normalisations[i]
        assert isinstance(convolution, nn.Conv2d)
        pooled = i < self.architecture.poolings
        if self.fused and pooled:
            from model.net.fused import convolve_and_pool  # needs Triton

            relu = isinstance(normalisation, nn.Identity)
            maps = convolve_and_pool(convolution, maps, relu)
            return maps if relu else F.relu(normalisation(maps))
        product = self.conv1_as_product and i == 0
        maps = as_product(convolution, maps) if product else convolution(maps)
        if pooled:
            # Pooling first is the same as ReLU first, since both keep order, and leaves a quarter
            # of the work to what follows.
            maps = F.max_pool2d(maps, 2)
        return F.relu(normalisation(maps))

    def score(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the logits ``[...]`` that embeddings ``[..., units]`` are of one character.

        The two broadcast against each other. With the paper's head it is the sum over units of
        ``alpha_j * |first_j - second_j|``, plus a bias; its sigmoid is the paper's ``p``.
        """
        head = self.architecture.head
        if head == "weighted_l1":
            compared = (first - second).abs()
        elif head == "weighted_l2":
            compared = (first - second).square()
        else:
            compared = F.normalize(first, dim=-1) * F.normalize(second, dim=-1)
            compared = compared * self.architecture.units
        return self.output(compared).squeeze(-1)

    def forward(self, image_a: Tensor, image_b: Tensor) -> Tensor:
        """Return the logits ``[B]`` that the images ``[B, 1, H, W]`` show one character."""
        first, second = self.embed(torch.cat([image_a, image_b])).chunk(2)
        return self.score(first, second)


def centred(images: Tensor) -> Tensor:
    """Return images ``[B, 1, H, H]``, each shifted so that its ink's bounding box is central.

    Paper (0) comes in at the edges; an image without ink stays as it is.
    """
    ink = images.squeeze(1) > INK
    size = images.shape[-1]
    x, y = _middle(ink.any(1)), _middle(ink.any(2))
    # Not `data.batches.distort.sampling_grid`, whose complex numbers an ONNX file cannot hold.
    line = pixel_centres(size, images.device)
    across, down = x[:, None] + line, y[:, None] + line
    grid = torch.stack(
        [across[:, None, :].expand(-1, size, -1), down[:, :, None].expand(-1, -1, size)], -1
    )
    return F.grid_sample(images, grid, align_corners=False)


def turned(images: Tensor, degrees: float) -> Tensor:
    """Return images ``[B, 1, H, H]``, each turned about its middle, paper (0) at the edges."""
    line = pixel_centres(images.shape[-1], images.device)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    y, x = torch.meshgrid(line, line, indexing="ij")
    grid = torch.stack([cosine * x - sine * y, sine * x + cosine * y], -1)
    return F.grid_sample(images, grid.expand(images.shape[0], -1, -1, -1), align_corners=False)


def _middle(inked: Tensor) -> Tensor:
    """Return the middle between the first and the last of ``[B, H]``, in units of half a side."""
    size = inked.shape[1]
    first = inked.int().argmax(1)
    last = size - 1 - inked.flip(1).int().argmax(1)
    return (first + last + 1) / size - 1


def as_product(convolution: nn.Conv2d, images: Tensor) -> Tensor:
    """Return what a convolution of one channel gives, as one product with all patches.

    Images ``[B, 1, H, W]`` give ``[B, filters, H', W']`` in channels-last order. On a GPU
    convolutions of one channel are slow; a product is fast where a patch's length is a multiple
    of 8, so that zeros fill patches and weights up to one.
    """
    side, stride = convolution.kernel_size[0], convolution.stride[0]
    wide = product_width(side)
    images = F.pad(images, [0, wide - side])
    if torch.is_autocast_enabled(images.device.type):
        # Before there are so many copies of each pixel.
        images = images.to(torch.get_autocast_dtype(images.device.type))
    patches = images[:, 0].unfold(1, side, stride).unfold(2, wide, stride).flatten(3)
    weight = F.pad(convolution.weight, [0, wide - side]).flatten(1)
    return F.linear(patches, weight, convolution.bias).permute(0, 3, 1, 2)


def product_width(side: int) -> int:
    """Return how wide `as_product` makes a patch of ``side`` rows: their product is its length."""
    return next(width for width in range(side, side + 8) if side * width % 8 == 0)


def parameter_count(architecture: Architecture) -> int:
    """Return how many trainable numbers a net of this shape has, without building it."""
    filters, side = architecture.filters, architecture.map_sizes()[-1][1]
    layers = zip((1, *filters), filters, architecture.kernel_sizes, strict=False)
    weights = sum(below * width * kernel**2 for below, width, kernel in layers)
    # A bias each, and with batch normalisation a scale and another bias.
    others = sum(filters) * (3 if architecture.normalisation == "batch" else 1)
    fc = (filters[-1] * side**2 + 1) * architecture.units
    return weights + others + fc + architecture.units + 1
