"""Greedy non-maximum suppression, class by class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .boxes import iou


def class_aware_nms(
    boxes: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    *,
    iou_threshold: float,
    max_detections: int,
) -> npt.NDArray[np.int64]:
    """Return the indices of the boxes that stay, highest score first.

    A box is dropped where a box of its own class with a higher score overlaps it by more than
    `iou_threshold`. Of equal scores the lower index, that is the finer level, comes first.

    boxes: [n, 4] corners; scores: [n]; labels: [n].
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    alive = np.ones(len(order), np.bool_)
    ordered_boxes, ordered_labels = boxes[order], labels[order]
    for position in range(len(order)):
        if not alive[position]:
            continue
        if len(kept) >= max_detections:
            break
        kept.append(int(order[position]))
        rest = slice(position + 1, None)
        overlap = iou(ordered_boxes[position : position + 1], ordered_boxes[rest])[0]
        same = ordered_labels[rest] == ordered_labels[position]
        alive[rest] &= ~(same & (overlap > iou_threshold))
    return np.asarray(kept, np.int64)
