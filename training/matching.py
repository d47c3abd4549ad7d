"""SSD matching: which anchor learns which truth, which is background, which is left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..datasets.record import Annotation
from ..runtime import boxes as box_math


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What each anchor of one image has to learn.

    labels: int64 [anchors]; 0 background, -1 no loss, else the class.
    deltas: float32 [anchors, 4], meaningful where the label is positive.
    """

    labels: npt.NDArray[np.int64]
    deltas: npt.NDArray[np.float32]


def match(
    truth: Annotation,
    anchors: npt.NDArray[np.float32],
    variances: tuple[float, float],
    *,
    match_iou: float,
    ignore_iou: float,
) -> Targets:
    """Assign truths to anchors.

    The best anchor of each truth is positive whatever its IoU; every other anchor takes its best
    truth where that IoU is at least `match_iou`, no loss from `ignore_iou` up, and is background
    below. Anchors whose best truth is marked ignore, or that lie mostly in one, take no loss.

    truth.boxes: pixels of the network's input; anchors: [anchors, 4] centred, the same pixels.
    Source: SSD, arXiv 1512.02325, section 2.2, with an ignore band.
    """
    labels = np.zeros(len(anchors), np.int64)
    deltas = np.zeros((len(anchors), 4), np.float32)
    if len(truth) == 0:
        return Targets(labels=labels, deltas=deltas)
    corners = box_math.to_corners(anchors)
    overlap = box_math.iou(corners, truth.boxes)  # [anchors, truths]
    best_truth = overlap.argmax(axis=1)
    best_iou = overlap[np.arange(len(anchors)), best_truth]
    # Large truths first, so that where two share their best anchor the smaller one, which has
    # fewer anchors to fall back on, keeps it.
    for index in np.argsort(-box_math.area(truth.boxes), kind="stable"):
        if not truth.ignore[index]:
            anchor = int(overlap[:, index].argmax())
            best_truth[anchor], best_iou[anchor] = index, 2.0
    labels[best_iou >= ignore_iou] = -1
    positive = best_iou >= match_iou
    labels[positive] = truth.labels[best_truth[positive]]
    ignored = truth.boxes[truth.ignore]
    if len(ignored):
        inside = box_math.intersection(corners, ignored) / box_math.area(corners)[:, None]
        covered = (inside.max(axis=1) >= match_iou) & ~(positive & ~truth.ignore[best_truth])
        labels[(positive & truth.ignore[best_truth]) | covered] = -1
    positive = labels > 0
    deltas[positive] = box_math.encode(
        truth.boxes[best_truth[positive]], anchors[positive], variances
    )
    return Targets(labels=labels, deltas=deltas)
