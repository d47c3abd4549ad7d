"""SSD matching: which anchor learns which truth, which is background, which is left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..datasets.record import Annotation
from ..runtime import boxes as box_math
from ..runtime.contract import LANDMARK_VALUES
from ..runtime.landmarks import encode_landmarks


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What each anchor of one image has to learn.

    labels: int64 [anchors]; 0 background, -1 no loss, else the class.
    deltas: float32 [anchors, 4], meaningful where the label is positive; of a network with
        landmarks [anchors, 14], behind the box's those of the five points, NaN where not known.
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
    landmarks: bool = False,
) -> Targets:
    """Assign truths to anchors.

    The best anchor of each truth is positive whatever its IoU; every other anchor takes its best
    truth where that IoU is at least `match_iou`, no loss from `ignore_iou` up, and is background
    below. Anchors whose best truth is marked ignore, or that lie mostly in one, take no loss.

    truth.boxes: pixels of the network's input; anchors: [anchors, 4] centred, the same pixels.
    landmarks: whether the deltas of the landmarks follow those of the boxes.
    Source: SSD, arXiv 1512.02325, section 2.2, with an ignore band.
    """
    labels = np.zeros(len(anchors), np.int64)
    deltas = np.zeros((len(anchors), 4 + LANDMARK_VALUES * landmarks), np.float32)
    if len(truth) == 0:
        return Targets(labels=labels, deltas=deltas)
    corners = box_math.to_corners(anchors)
    overlap = box_math.iou(truth.boxes, corners)  # [truths, anchors]
    best_iou = overlap.max(axis=0)
    positive = best_iou >= match_iou
    best_truth = np.zeros(len(anchors), np.int64)  # of the positive anchors; of the rest unused
    best_truth[positive] = overlap[:, positive].argmax(axis=0)
    # Large truths first, so that where two share their best anchor the smaller one, which has
    # fewer anchors to fall back on, keeps it.
    for index in np.argsort(-box_math.area(truth.boxes), kind="stable"):
        if not truth.ignore[index]:
            anchor = int(overlap[index].argmax())
            best_truth[anchor], positive[anchor] = index, True
    labels[best_iou >= ignore_iou] = -1
    labels[positive] = truth.labels[best_truth[positive]]
    ignored = truth.boxes[truth.ignore]
    if len(ignored):
        inside = box_math.intersection(ignored, corners) / box_math.area(corners)
        covered = (inside.max(axis=0) >= match_iou) & ~(positive & ~truth.ignore[best_truth])
        labels[(positive & truth.ignore[best_truth]) | covered] = -1
    positive = labels > 0
    learnt, own = best_truth[positive], anchors[positive]
    deltas[positive, :4] = box_math.encode(truth.boxes[learnt], own, variances)
    if landmarks:
        deltas[positive, 4:] = encode_landmarks(truth.points()[learnt], own, variances)
    return Targets(labels=labels, deltas=deltas)
