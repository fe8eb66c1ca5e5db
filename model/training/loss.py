"""The loss of an episode, all of whose drawings are compared with all others."""

import torch
import torch.nn.functional as F
from torch import Tensor


def episode_loss(scores: Tensor, kind: str) -> Tensor:
    """Return the loss of all-against-all logits ``[E, W, W]``, whose diagonal holds the same pairs.

    ``episode``: softmax cross-entropy of each drawing's own character among the way, both ways.
    ``pair``: binary cross-entropy, the same pairs together weighing as much as the different ones.
    """
    episodes, way, _ = scores.shape
    if kind == "episode":
        target = torch.arange(way, device=scores.device).expand(episodes, way)
        return (F.cross_entropy(scores, target) + F.cross_entropy(scores.mT, target)) / 2
    same = torch.eye(way, device=scores.device).expand_as(scores)
    weight = torch.where(same > 0, 0.5 / way, 0.5 / (way * (way - 1)))
    losses = F.binary_cross_entropy_with_logits(scores, same, weight, reduction="sum")
    return losses / episodes
