"""The losses of an SSD: focal, or mined cross-entropy, on the scores, smooth-L1 on the deltas."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def focal_loss(scores: Tensor, labels: Tensor, *, gamma: float, alpha: float) -> Tensor:
    """Return the focal loss, summed over the anchors that take part.

    scores: raw [n, classes], background first; labels: int64 [n], -1 for no loss.
    alpha: weight of the objects, 1 - alpha of the background.
    Source: arXiv 1708.02002, equation 5, with the softmax probability of the true class.
    """
    taking_part = labels >= 0
    log_p = functional.log_softmax(scores[taking_part], dim=1)
    truth = labels[taking_part]
    log_p = log_p.gather(1, truth[:, None]).squeeze(1)
    weight = torch.where(truth > 0, alpha, 1 - alpha)
    # At p = 1, which float32 reaches, the slope of (1 - p) ** gamma is infinite for gamma < 1.
    missing = (1 - log_p.exp()).clamp(min=torch.finfo(log_p.dtype).tiny)
    return (-weight * missing.pow(gamma) * log_p).sum()


def hard_negative_loss(scores: Tensor, labels: Tensor, *, ratio: float) -> Tensor:
    """Return softmax cross-entropy, summed over the positives and each image's hardest negatives.

    scores: raw [images, anchors, classes], background first; labels: int64 [images, anchors], -1
    for no loss. ratio: negatives that an image keeps for each of its positives, those of the
    highest loss first; an image without an object keeps none.
    Source: SSD, arXiv 1512.02325, equation 1 and section 2.2, "hard negative mining".
    """
    losses = functional.cross_entropy(
        scores.flatten(0, 1), labels.flatten().clamp(min=0), reduction="none"
    ).view_as(labels)
    positive, negative = labels > 0, labels == 0
    hardness = losses.detach().masked_fill(~negative, -torch.inf)
    rank = hardness.argsort(dim=1, descending=True).argsort(dim=1)  # 0: the hardest of its image
    mined = negative & (rank < ratio * positive.sum(dim=1, keepdim=True))
    return losses[positive | mined].sum()


def box_loss(deltas: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
    """Return smooth-L1 of the deltas, [n, 4], summed over the positive anchors."""
    positive = labels > 0
    return functional.smooth_l1_loss(deltas[positive], targets[positive], reduction="sum")


def flatten(levels: list[Tensor], channels: int) -> Tensor:
    """Bring the outputs of all levels into the order of the anchors, [n, anchors, channels].

    levels: [n, anchors a cell * channels, rows, columns] each.
    """
    flat = [
        # [n, a * c, h, w] -> [n, h, w, a * c] -> [n, h * w * a, c]
        v.permute(0, 2, 3, 1).reshape(v.shape[0], -1, channels)
        for v in levels
    ]
    return torch.cat(flat, dim=1)
