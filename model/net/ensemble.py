"""Nets of several seeds that answer as one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.hyperparameters import Architecture
from model.net.calibration import Calibration
from model.net.siamese import SiameseNet


class Ensemble(nn.Module):
    """Nets of one architecture and different seeds, with the interface of one `SiameseNet`.

    Its logit is the mean of the members' calibrated logits, ``scale * (logit - shift)``: the
    logarithmic opinion pool of their similarities. The logits themselves cannot be averaged, since
    training may leave each net another level and scale. A mean of similarities would be worse at
    ranking: most are next to 0 or 1, so that the most confident member would decide. A mean of
    calibrated answers is not calibrated, so the ensemble's logit gets a calibration of its own, on
    the validation pairs, as those of single nets do (Satopaa et al. 2014; Rahaman and Thiery 2021,
    who pool first and calibrate then).

    Raises:
        ValueError: there is no net, or not one calibration each, or they differ in architecture.
    """

    def __init__(self, nets: Sequence[SiameseNet], calibrations: Sequence[Calibration]):
        super().__init__()
        if not nets or len(nets) != len(calibrations):
            raise ValueError(f"{len(nets)} nets, {len(calibrations)} calibrations: one each")
        if any(net.architecture != nets[0].architecture for net in nets):
            raise ValueError("the nets of an ensemble have one architecture")
        self.members, self.calibrations = nn.ModuleList(nets), tuple(calibrations)

    @property
    def architecture(self) -> Architecture:
        """Of every member."""
        return self._nets()[0].architecture

    def embed(self, images: Tensor) -> Tensor:
        """Return the members' embeddings of images ``[B, 1, H, W]``, side by side.

        Those of K members are ``[B, K * units]``.
        """
        return torch.cat([net.embed(images) for net in self._nets()], 1)

    def score(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the logits ``[...]`` that embeddings ``[..., K * units]`` are of one character.

        The two broadcast against each other.
        """
        number = len(self.members)
        parts = zip(first.chunk(number, -1), second.chunk(number, -1), strict=True)
        logits = [
            calibration.logits(net.score(*pair))
            for net, calibration, pair in zip(self._nets(), self.calibrations, parts, strict=True)
        ]
        return torch.stack(logits).mean(0)

    def _nets(self) -> list[SiameseNet]:
        return [net for net in self.members if isinstance(net, SiameseNet)]


AnyNet = SiameseNet | Ensemble
"""What embeds images and scores embeddings."""
