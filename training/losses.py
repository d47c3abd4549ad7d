"""The loss of an SSD: softmax focal loss on the scores, smooth-L1 on the deltas."""

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
