"""The plain reading of the post-processing: everything is computed, in the obvious order.

It says what `Postprocessor` must give, box by box; tests and the benchmark compare with it.
Nothing else uses it: it spends most of its time on anchors that hold nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError
from .activation import activate
from .anchors import all_anchors
from .boxes import clip, decode, iou
from .contract import LANDMARK_VALUES, DetectorContract, Thresholds
from .detections import Detections
from .encodings import Encoding
from .landmarks import decode_landmarks
from .placement import Placement
from .soft_nms import Decay, decay

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]


def dequantize(
    outputs: Mapping[str, npt.NDArray[Any]], encodings: Mapping[str, Encoding]
) -> dict[str, Float]:
    """Return all outputs as float32."""
    return {
        name: encodings[name].dequantize(value) if value.dtype == np.uint8 else value
        for name, value in outputs.items()
    }


def gather(outputs: Mapping[str, Float], contract: DetectorContract) -> tuple[Float, Float]:
    """Bring the outputs of all levels, NHWC float32 by name, into the order of the anchors.

    Returns scores [anchors, scores_per_anchor], still raw, and deltas [anchors, 4].
    """
    width = contract.scores_per_anchor
    # NHWC memory order is already cell by cell, anchor by anchor.
    scores = [outputs[v.scores].reshape(-1, width) for v in contract.levels]
    deltas = [outputs[v.boxes].reshape(-1, 4) for v in contract.levels]
    return np.concatenate(scores), np.concatenate(deltas)


def gather_landmarks(outputs: Mapping[str, Float], contract: DetectorContract) -> Float | None:
    """Bring the landmarks of all levels into the order of the anchors, float32 [anchors, 10].

    None where the network gives none.
    """
    names = [v.landmarks for v in contract.levels if v.landmarks is not None]
    flat = [outputs[name].reshape(-1, LANDMARK_VALUES) for name in names]
    return np.concatenate(flat) if flat else None


def plain_postprocess(
    outputs: Mapping[str, npt.NDArray[Any]],
    encodings: Mapping[str, Encoding],
    placement: Placement,
    contract: DetectorContract,
    thresholds: Thresholds,
    anchors: Float | None = None,
) -> Detections:
    """Return the detections of one image; arguments and order as of `Postprocessor`.

    anchors: all of the contract, float32 [anchors, 4]; made anew where None.
    """
    anchors = all_anchors(contract) if anchors is None else anchors
    floats = dequantize(outputs, encodings)
    scores, deltas = gather(floats, contract)
    offsets = gather_landmarks(floats, contract)
    numbers = [scores, deltas] if offsets is None else [scores, deltas, offsets]
    if not all(np.isfinite(values).all() for values in numbers):
        raise ArtifactError("the network's outputs are not finite: its weights are damaged")
    with np.errstate(over="ignore"):  # a wild number gives a box at the border
        probabilities = activate(scores, contract)
        decoded = decode(deltas, anchors, contract.variances)
        points = None
        if offsets is not None:
            points = decode_landmarks(offsets, anchors, contract.variances)
    boxes = clip(decoded, contract.input.width, contract.input.height)
    solid = np.logical_and.reduce(boxes[:, 2:4] > boxes[:, 0:2], axis=1)

    # Anchor by anchor, class by class: a stable sort then settles equal scores.
    anchor, label = np.nonzero(probabilities >= thresholds.of_classes(contract.classes))
    score = probabilities[anchor, label]
    best = np.argsort(-score, kind="stable")[: thresholds.top_k]
    best = best[solid[anchor[best]]]
    if thresholds.soft_nms != "off":
        best = np.sort(best)
    anchor, score, label = anchor[best], score[best], label[best]
    boxes = boxes[anchor]
    group = np.zeros_like(label) if thresholds.nms == "class_agnostic" else label
    if thresholds.soft_nms == "off":
        keep = plain_nms(boxes, group, thresholds)
        score = score[keep]
    else:
        floors = thresholds.of_classes(contract.classes)[label]
        keep, score = plain_soft_nms(boxes, score, group, floors, thresholds.soft_nms, thresholds)
    return Detections(
        boxes=placement.to_image(boxes[keep]),
        scores=score,
        labels=label[keep] + 1,
        classes=contract.classes,
        landmarks=None if points is None else placement.points_to_image(points[anchor[keep]]),
    )


def plain_nms(boxes: Float, labels: Index, thresholds: Thresholds) -> list[int]:
    """Return the positions of the boxes that no better one of their class suppresses.

    boxes: [n, 4], best first; labels: [n].
    """
    kept: list[int] = []
    for position in range(len(boxes)):
        rivals = [other for other in kept if labels[other] == labels[position]]
        overlaps = iou(boxes[rivals], boxes[position : position + 1])
        if len(kept) < thresholds.max_detections and not (overlaps > thresholds.nms_iou).any():
            kept.append(position)
    return kept


def plain_soft_nms(
    boxes: Float, scores: Float, labels: Index, floors: Float, kind: Decay, thresholds: Thresholds
) -> tuple[list[int], Float]:
    """Return the positions of the boxes that stay, best first, and their lowered scores.

    boxes: [n, 4]; scores, labels: [n]; floors: [n], below which a box is dropped.
    """
    scores = scores.copy()
    waiting = list(range(len(boxes)))
    kept: list[int] = []
    while waiting and len(kept) < thresholds.max_detections:
        best = max(waiting, key=lambda position: (scores[position], -position))
        kept.append(best)
        waiting.remove(best)
        for other in waiting:
            if labels[other] == labels[best]:
                overlap = iou(boxes[[best]], boxes[[other]])[0]
                scores[[other]] *= decay(
                    overlap,
                    kind,
                    iou_threshold=thresholds.nms_iou,
                    sigma=thresholds.soft_sigma,
                )
        waiting = [other for other in waiting if scores[other] >= floors[other]]
    return kept, scores[kept]
