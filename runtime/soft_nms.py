"""Soft non-maximum suppression: an overlap lowers a box's score and does not drop it at once.

Source: Bodla et al., Soft-NMS, arXiv 1704.04503, section 3.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from .boxes import iou

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]
Decay = Literal["linear", "gaussian"]


def decay(overlaps: Float, kind: Decay, *, iou_threshold: float, sigma: float) -> Float:
    """Return what the scores of boxes are multiplied by, float32 [n], from their IoU with a better.

    linear: 1 - IoU where the IoU is above the threshold, else 1. gaussian: exp(-IoU^2 / sigma).
    """
    if kind == "gaussian":
        return np.asarray(np.exp(-(overlaps * overlaps) / np.float32(sigma)), np.float32)
    return np.where(overlaps > iou_threshold, 1 - overlaps, np.float32(1))


def suppress_softly(
    boxes: Float,
    scores: Float,
    labels: Index | None,
    floors: Float,
    kind: Decay,
    *,
    iou_threshold: float,
    sigma: float,
    max_detections: int,
) -> tuple[Index, Float]:
    """Return the positions of the boxes that stay, best first, and their lowered scores.

    Again and again the best box is taken and lowers the others; one whose score falls below its
    floor is dropped. Of equal scores the lower position comes first.

    boxes: float32 [n, 4] corners. scores: [n]. floors: [n], the least score of each.
    labels: [n] where only boxes of one class lower each other, None where all do.
    """
    left, scores = np.arange(len(scores)), scores.copy()
    kept: list[int] = []
    final: list[np.float32] = []
    while len(left) and len(kept) < max_detections:
        best = int(scores[left].argmax())
        chosen = int(left[best])
        kept.append(chosen)
        final.append(scores[chosen])
        left = np.delete(left, best)
        rivals = left if labels is None else left[labels[left] == labels[chosen]]
        overlaps = iou(boxes[chosen : chosen + 1], boxes[rivals])[0]
        scores[rivals] *= decay(overlaps, kind, iou_threshold=iou_threshold, sigma=sigma)
        left = left[scores[left] >= floors[left]]
    return np.asarray(kept, np.int64), np.asarray(final, np.float32)
