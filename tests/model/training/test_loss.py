import math

import pytest
import torch

from model.training.loss import episode_loss


def test_episode_losses_by_hand() -> None:
    scores = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0))
    softmax = pairs = 0.0
    for grid in scores.tolist():
        for i in range(3):
            row, column = grid[i], [grid[j][i] for j in range(3)]
            for line in (row, column):
                softmax += (math.log(sum(map(math.exp, line))) - grid[i][i]) / (2 * 3 * 2)
            for j in range(3):
                loss = math.log(1 + math.exp(-grid[i][j] if i == j else grid[i][j]))
                pairs += loss * (0.5 / 3 if i == j else 0.5 / 6) / 2
    assert float(episode_loss(scores, "episode")) == pytest.approx(softmax, rel=1e-5)
    assert float(episode_loss(scores, "pair")) == pytest.approx(pairs, rel=1e-5)
