"""Two small nets that are as different as nets can be."""

import pytest
import torch

from model.hyperparameters import Architecture
from model.net.siamese import SiameseNet

SHAPE = {"image_size": 16, "filters": (4, 6), "kernel_sizes": (3, 3), "poolings": 1, "units": 16}
PLAIN = Architecture(**SHAPE)  # type: ignore[arg-type]
OTHER = Architecture(
    **SHAPE,  # type: ignore[arg-type]
    normalisation="batch",
    head="cosine",
    embedding="identity",
    padding="same",
    dropout=0.5,
    centred=True,
    turns=10.0,
)


@pytest.fixture(params=[PLAIN, OTHER], ids=["paper", "other"])
def net(request: pytest.FixtureRequest) -> SiameseNet:
    net = SiameseNet(request.param, torch.Generator().manual_seed(1))
    with torch.no_grad():
        net(*torch.rand(2, 8, 1, 16, 16))  # batch normalisation learns from it
        net.eval()
        # Scores that differ from pair to pair: a net that sees nothing would agree with anything.
        a, b = torch.rand(2, 8, 1, 16, 16)
        logits = net(a, b) - net.output.bias
        net.output.weight.div_(logits.std())
        net.output.bias.copy_(-logits.mean() / logits.std())
    return net
