"""The net for others: one ONNX file that needs nothing of this project."""

import contextlib
import copy
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from data.files.atomic import write_bytes
from model.errors import ModelError
from model.net.calibration import IDENTITY, Calibration
from model.net.ensemble import AnyNet

_MOST_BYTES = 2**31 - 2**25
"""Of parameters: a file of protobuf ends at 2 GiB, and the graph is in it too."""


def exportable(parameters: int) -> bool:
    """Return whether a net of so many fits into one ONNX file."""
    return 4 * parameters <= _MOST_BYTES


class _Similarity(nn.Module):
    """Two images in, the paper's ``p`` out (section 3.1), calibrated."""

    def __init__(self, net: AnyNet, calibration: Calibration):
        super().__init__()
        self.net, self.calibration = net, calibration

    def forward(self, image_a: Tensor, image_b: Tensor) -> Tensor:
        return self.calibration(self.net.score(self.net.embed(image_a), self.net.embed(image_b)))


def export_onnx(net: AnyNet, path: Path, calibration: Calibration = IDENTITY) -> None:
    """Write a net or an ensemble as ONNX, whole or not at all, with no trace of this machine.

    Inputs ``image_a`` and ``image_b``: float32 ``[batch, 1, H, W]``, ink 1 and paper 0. Output
    ``similarity``: float32 ``[batch]`` in [0, 1], as ``calibration`` has it, by default the
    sigmoid of the logit.

    Raises:
        ModelError: it is larger than an ONNX file can be.
        OSError: the file cannot be written.
    """
    parameters = sum(parameter.numel() for parameter in net.parameters())
    if not exportable(parameters):
        raise ModelError(
            f"{path} is not written: {4 * parameters / 1e9:.1f} GB of weights are more than the "
            "2 GiB that one ONNX file can hold; take fewer nets"
        )
    size = net.architecture.image_size
    # Batches of two: a batch of one would be taken for a constant. Two tensors: the exporter takes
    # one given twice for one input, and would compare each image with itself.
    examples = (torch.zeros(2, 1, size, size), torch.ones(2, 1, size, size))
    batch = torch.export.Dim("batch")
    module = _Similarity(copy.deepcopy(net).cpu(), calibration).eval()
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
        exported = program.model_proto
    _strip(exported)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, exported.SerializeToString())


def _strip(message: Any) -> None:
    """Remove what the exporter notes beside the graph: stack traces, the paths of source files."""
    for noted in ("doc_string", "metadata_props"):
        if noted in message.DESCRIPTOR.fields_by_name:
            message.ClearField(noted)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                _strip(part)


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
