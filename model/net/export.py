"""The net for others: one ONNX file that needs nothing of this project."""

import contextlib
import copy
import io
import logging
import os
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from model.net.siamese import SiameseNet


class _Similarity(nn.Module):
    """Two images in, the paper's ``p`` out (section 3.1)."""

    def __init__(self, net: SiameseNet):
        super().__init__()
        self.net = net

    def forward(self, image_a: Tensor, image_b: Tensor) -> Tensor:
        return self.net.score(self.net.embed(image_a), self.net.embed(image_b)).sigmoid()


def export_onnx(net: SiameseNet, path: Path) -> None:
    """Write ``net`` as ONNX, whole or not at all.

    Inputs ``image_a`` and ``image_b``: float32 ``[batch, 1, H, W]``, ink 1 and paper 0. Output
    ``similarity``: float32 ``[batch]`` in [0, 1].

    Raises:
        OSError: the file cannot be written.
    """
    size = net.architecture.image_size
    # Batches of two: a batch of one would be taken for a constant. Two tensors: the exporter takes
    # one given twice for one input, and would compare each image with itself.
    examples = (torch.zeros(2, 1, size, size), torch.ones(2, 1, size, size))
    batch = torch.export.Dim("batch")
    module = _Similarity(copy.deepcopy(net).cpu()).eval()
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                examples,
                dynamo=True,
                input_names=["image_a", "image_b"],
                output_names=["similarity"],
                dynamic_shapes={"image_a": {0: batch}, "image_b": {0: batch}},
                verbose=False,
            )
            assert program is not None
            program.save(str(part), external_data=False)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    """Keep the exporter's talk of its own affairs from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
