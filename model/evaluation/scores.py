"""Scoring: one-shot trials and verification, every drawing embedded once."""

import torch
from torch import Tensor

from data.batches.one_shot import OneShotTrials
from data.batches.pairs import Pairs
from data.drawings import Drawings
from model.net.ensemble import AnyNet

# Drawings embedded at a time, and scores computed at a time: bounds on memory, not on results.
EMBED_BATCH = 256
SCORE_BATCH = 2_000_000


@torch.inference_mode()
def embed(net: AnyNet, drawings: Drawings, index: Tensor) -> Tensor:
    """Return the embeddings ``[len(index), units]`` of the drawings at ``index``."""
    net.eval()
    return torch.cat([net.embed(drawings.images(part)) for part in index.split(EMBED_BATCH)])


def one_shot_scores(net: AnyNet, trials: OneShotTrials) -> Tensor:
    """Return each trial's logits ``[T, N]``, the query against every drawing of its support."""
    used, place = trials.rows.unique(return_inverse=True)
    return scores_of(net, embed(net, trials.drawings, used), place)


def all_scores(net: AnyNet, trials: OneShotTrials, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Return the logits of the trials ``[T, N]`` and of pairs of the same drawings ``[B]``.

    What `one_shot_scores` and `verification_scores` return, at the cost of one of them.
    """
    rows = trials.rows
    used, place = torch.cat([rows.flatten(), pairs.a, pairs.b]).unique(return_inverse=True)
    embeddings = embed(net, trials.drawings, used)
    asked, of_pairs = place.split([rows.numel(), 2 * len(pairs)])
    return (
        scores_of(net, embeddings, asked.view_as(rows)),
        scores_of(net, embeddings, of_pairs.view(2, -1).T).squeeze(1),
    )


@torch.inference_mode()
def scores_of(net: AnyNet, embeddings: Tensor, place: Tensor) -> Tensor:
    """Return the logits ``[T, N]`` of the first against the others in each row of ``place``.

    Args:
        net: the net whose embeddings they are.
        embeddings: ``[M, units]``.
        place: int64 ``[T, 1 + N]``, which embeddings to compare.
    """
    step = max(1, SCORE_BATCH // ((place.shape[1] - 1) * embeddings.shape[1]))
    return torch.cat(
        [net.score(embeddings[part[:, :1]], embeddings[part[:, 1:]]) for part in place.split(step)]
    )


def credit(scores: Tensor, answer: Tensor) -> Tensor:
    """Return each trial's credit ``[T]``: 1 if the best score is the answer's, 1/k in a k-fold tie.

    A net that says nothing, the same for all or not a number, thus scores exactly chance.
    """
    scores = scores.masked_fill(~scores.isfinite().all(1, keepdim=True), 0)
    best = scores == scores.max(1, keepdim=True).values
    return best.gather(1, answer[:, None]).squeeze(1) / best.sum(1)


def accuracy(credit: Tensor) -> float:
    """Return the mean of credits ``[T]``, in [0, 1], as every study, plot and table has it.

    Computed and rounded as a Python float: the mean of 32 bits of 96 answers out of 320 would be
    0.30000001192.
    """
    return round(float(credit.double().mean()), 7)


def one_shot_accuracy(net: AnyNet, trials: OneShotTrials) -> float:
    """Return the mean credit over the trials, in [0, 1]."""
    return accuracy(credit(one_shot_scores(net, trials), trials.answer))


def verification_scores(net: AnyNet, drawings: Drawings, pairs: Pairs) -> Tensor:
    """Return the logits ``[B]`` that each pair shows one character."""
    used, place = torch.stack([pairs.a, pairs.b], 1).unique(return_inverse=True)
    return scores_of(net, embed(net, drawings, used), place).squeeze(1)


def verification_credit(scores: Tensor, same: Tensor, threshold: float) -> Tensor:
    """Return each pair's credit ``[B]``: 1 if ``scores > threshold`` is right on its sameness.

    Scores that lie on the threshold count half, as a net that says nothing should.
    """
    right = torch.where(same > 0.5, scores > threshold, scores < threshold).float()
    return right + 0.5 * (scores == threshold)


def verification_accuracy(scores: Tensor, same: Tensor, threshold: float = 0.0) -> float:
    """Return the mean credit over the pairs, in [0, 1]."""
    return accuracy(verification_credit(scores, same, threshold))


def error_rates(scores: Tensor, same: Tensor, threshold: float) -> tuple[float, float]:
    """Return ``(false_accept, false_reject)`` of the pairs whose ``scores >= threshold`` accepts.

    Different pairs that are accepted, of all different ones; same pairs that are not, of all the
    same ones; 0 where there is none of a kind.
    """
    accepted, alike = scores >= threshold, same > 0.5
    wrong = int((accepted & ~alike).sum()), int((~accepted & alike).sum())
    return wrong[0] / max(1, int((~alike).sum())), wrong[1] / max(1, int(alike.sum()))
