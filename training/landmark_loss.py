"""The loss of the landmarks: wing loss, where they are known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

WIDTH, CURVATURE = 0.4, 0.08
"""Where the logarithm ends and how sharp it is, in deltas.

The paper's 10 and 2 pixels of a face 256 pixels wide, as shares of an anchor's side over the
centre's usual variance of 0.1.
"""


def landmark_loss(deltas: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
    """Return the wing loss of landmark deltas, [n, 10], summed over the known ones of positives.

    targets: [n, 10], NaN where a point is not known, which then costs nothing.
    labels: int64 [n], positive where the anchor has an object.
    Unlike smooth-L1 it pulls at errors of a few percent of the face as much as at large ones.
    Source: Feng et al., arXiv 1711.06753, equation 5.
    """
    positive = labels > 0
    known = targets[positive].isfinite()
    error = (deltas[positive][known] - targets[positive][known]).abs()
    # The constant joins the logarithm and the straight line.
    joint = WIDTH - WIDTH * math.log1p(WIDTH / CURVATURE)
    near = WIDTH * torch.log1p(error / CURVATURE)
    return torch.where(error < WIDTH, near, error - joint).sum()
